"""Whether discriminators know their training files by heart: what they pay for test files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.data.encoded import encode_file, guarded
from cyclekit.data.sampling import Batches
from cyclekit.data.windows import Window
from cyclekit.engine.trainer import Trainer
from cyclekit.errors import BadSample
from cyclekit.judging.checkup import ITEMS
from cyclekit.preparing.preparation import Prepared


class HeldOut:
    """What discriminators pay for windows of test files, beside as many of training files.

    The idea is the heuristic r_v of Karras et al. (arXiv 2006.06676, section 3), in losses in place
    of logits: an objective says what its losses mean, and need not say which network sees what.

    Args:
        trainer: Whose losses.
        unseen: Draws test windows.
        seen: Draws training windows.
    """

    def __init__(self, trainer: Trainer, unseen: Batches, seen: Batches) -> None:
        self._trainer = trainer
        self._unseen = unseen
        self._seen = seen

    @classmethod
    def of(cls, trainer: Trainer, prepared: Prepared) -> "HeldOut | None":
        """``None`` where there are too few test files, or where samples belong together."""
        model, encoded = trainer.model, prepared.encoded
        objective = model.objective
        streams = objective.streams
        paired = any(stream.drawn_with or stream.target for stream in streams.values())
        if paired or objective.attributes or not objective.undecided:
            return None
        unseen: dict[str, Sequence[Window]] = {
            name: list(_windows(model.codec, files, name)) for name, files in prepared.tests.items()
        }
        windows = {name: domain.windows for name, domain in encoded.items()}
        seen: dict[str, Sequence[Window]] = {
            name: [windows[name][index * len(windows[name]) // ITEMS] for index in range(ITEMS)]
            for name in unseen
        }
        sides = []
        for side in (unseen, seen):
            drawn = {
                name: [window for domain in stream.domains for window in side.get(domain, ())]
                for name, stream in streams.items()
            }
            if min(map(len, drawn.values())) < ITEMS // 2:
                return None
            sides.append(Batches(model.codec, drawn, streams, seed=0, batch_size=1))
        return cls(trainer, *sides)

    def excess(self) -> dict[str, float]:
        """``symptoms.HELD_OUT`` of each discriminator."""
        unseen, seen = self._losses(self._unseen), self._losses(self._seen)
        undecided = self._trainer.model.objective.undecided
        both = [name for name in undecided if name in unseen and name in seen]
        # Taking all that is real for made, and made for made, costs twice as much as guessing.
        return {name: (unseen[name] - seen[name]) / (2 * undecided[name]) for name in both}

    def _losses(self, batches: Batches) -> dict[str, float]:
        """The mean terms over single samples, which may be of several sizes."""
        device = self._trainer.fabric.device
        each = [self._trainer.losses_of(batches.draw(step, [0], device)) for step in range(ITEMS)]
        return {name: sum(terms[name] for terms in each) / len(each) for name in each[0]}


def _windows(codec: Codec[Any], files: Sequence[Path], domain: str) -> Iterator[Window]:
    """A window of each of some files that lie far apart, its middle one; bad files are left out."""
    count = min(len(files), ITEMS)
    for index in range(count):
        file = files[index * len(files) // count]
        try:
            found = guarded(codec, "windows", file, encode_file(codec, file, domain))
        except BadSample:  # named when the data was read
            continue
        if found:
            yield Window(found[len(found) // 2], domain)
