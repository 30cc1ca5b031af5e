"""Weights & Biases: ``wandb/`` of the run, and its server unless ``WANDB_MODE=offline``."""

import os
from collections.abc import Mapping, Sequence

import wandb

from cyclekit.contract.previews import Media
from cyclekit.training.trackers.tracker import Start

PROJECT = "cyclekit"  # unless WANDB_PROJECT says another
PATIENCE = 30  # seconds in which its server has to answer


class WeightsAndBiases:
    """See ``Tracker``."""

    def __init__(self, start: Start) -> None:
        settings = wandb.Settings(silent=True, init_timeout=PATIENCE)
        self._run = wandb.init(
            project=None if "WANDB_PROJECT" in os.environ else PROJECT,
            name=start.run.folder.name,
            dir=start.run.storage.below("wandb").make(),
            config=start.recipe.model_dump(mode="json"),
            settings=settings,
        )

    def scalars(self, named: Mapping[str, float], step: int) -> None:
        """See ``Tracker``."""
        self._run.log(dict(named), step=step)

    def media(self, media: Sequence[Media], step: int) -> None:
        """See ``Tracker``."""
        shown: dict[str, object] = {}
        for item in media:
            if item.image is not None:
                shown[item.title] = wandb.Image(item.image.permute(1, 2, 0).numpy())
            if item.audio is not None:
                rate = item.sample_rate or 44100
                shown[item.title] = wandb.Audio(item.audio.numpy(), sample_rate=rate)
        self._run.log(shown, step=step)

    def flush(self) -> None:
        """See ``Tracker``; it writes by itself."""

    def close(self) -> None:
        """See ``Tracker``."""
        self._run.finish()


def start(given: Start) -> WeightsAndBiases:
    """A tracker of a run."""
    return WeightsAndBiases(given)
