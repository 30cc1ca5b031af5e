"""What tests build from: small settings, small pictures, the outcome of a command."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from PIL import Image
from safetensors.torch import load_file

from cyclekit.console import Console
from cyclekit.data.folders import Collections, find_collections
from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.trainer import Trainer
from cyclekit.engine.training_state import TrainingState
from cyclekit.preparing.planning import data_settings, plan_training
from cyclekit.preparing.preparation import Prepared, prepare
from cyclekit.recipe.settings import DataSettings
from cyclekit.runs.checkpoint import Checkpoint
from cyclekit.runs.directory import RunDirectory

SMALL = {
    "codec.resize": 36,
    "codec.crop": 32,
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "discriminator.layers": 2,
    "train.steps": 4,
    "train.batch_size": 2,
    "train.log_every": 2,
    "train.checkpoint_every": 2,
    "train.preview_every": 4,
    "train.preview_items": 2,
    "train.evaluate_every": 4,
}


def as_options(settings: dict[str, object]) -> list[str]:
    """``--set`` options for the command line."""
    return [f"--set={key}={value}" for key, value in settings.items()]


def training(plugin: str, recipe: str, small: dict[str, object]) -> Callable[..., list[str]]:
    """Commands that train a recipe: ``(data, run, **settings) -> arguments``."""

    def arguments(data: Path, run: Path, **settings: object) -> list[str]:
        changed = small | {key.replace("__", "."): value for key, value in settings.items()}
        return ["train", f"--plugin={plugin}", f"--recipe={recipe}", f"--data={data}",
                f"--run-dir={run}", "--accelerator=cpu", *as_options(changed)]  # fmt: skip

    return arguments


def touch(*files: Path) -> None:
    """Make files with nothing in them."""
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def draw(
    path: Path,
    seed: int,
    size: tuple[int, int] = (40, 40),
    mode: str = "RGB",
    brightness: float = 1.0,
) -> Path:
    """A smooth random picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    coarse = (coarse * brightness).astype(np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)
    return path


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]  # the fixture


def copied(run: Path, to: Path) -> Path:
    """A run to change."""
    shutil.copytree(run, to, symlinks=True)
    return to


def state_of(checkpoint: Path) -> TrainingState:
    """What training would go on with from a checkpoint."""
    with Checkpoint(checkpoint.resolve()) as opened:
        return opened.read_state()


def as_restored(state: dict[str, Any]) -> TrainingState:
    """What a trainer said, as it is given back to one."""
    return TrainingState.model_validate({k: part for k, part in state.items() if k != "codec"})


def records(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``metrics.jsonl``."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


QUICK: dict[str, object] = {
    "train.steps": 4,
    "train.batch_size": 2,
    "train.log_every": 2,
    "train.checkpoint_every": 2,
    "train.preview_every": 4,
    "train.preview_items": 1,
    "train.evaluate_every": 0,
}
"""A run of four steps with a checkpoint half-way, whatever it trains."""


def assert_resumes_exactly(whole: Path, halved: Path, resume: Callable[[Path], Outcome]) -> None:
    """Take the last checkpoint from a copy of a ``QUICK`` run, resume it, and compare the two."""
    shutil.copytree(whole, halved, symlinks=True)
    shutil.rmtree(halved / "checkpoints" / "step-00000004")
    (halved / "checkpoints" / "latest").unlink()
    assert resume(halved).code == 0
    for file in (whole / "checkpoints" / "latest").glob("*.safetensors"):
        other = load_file(halved / "checkpoints" / "latest" / file.name)
        for name, tensor in load_file(file).items():
            assert tensor.equal(other[name]), (file.name, name)
    assert records(whole) == records(halved)


def results(out: Path) -> list[Path]:
    """What `translate` wrote into a folder, without the record of it."""
    return sorted(path for path in out.iterdir() if path.name != "translations.jsonl")


def assert_named_or_written(corpus: Path, out: Path, done: Outcome) -> None:
    """Every damaged file was either translated or named with a reason."""
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    written = {path.stem for path in results(out)}
    for file in (path for path in corpus.iterdir() if not path.is_dir()):
        assert (file.stem in written) != (f"{file}: " in done.err), file


def make_trainer(
    data: Path, folder: Path, fabric: Fabric | None = None, **settings: object
) -> tuple[Trainer, Prepared]:
    """A trainer of small networks on pictures, ready for its first step."""
    changed = [(key.replace("__", "."), value, "test") for key, value in settings.items()]
    # The same arithmetic on every machine.
    small = [
        (key, value, "test") for key, value in ({"train.precision": "32-true"} | SMALL).items()
    ]
    plan = plan_training("image", "horse2zebra", [*data_settings(data), *small, *changed])
    fabric = fabric or start_fabric(Hardware(accelerator="cpu"), plan.recipe.train.precision)
    run = RunDirectory(folder)
    prepared = prepare(plan.host, plan.recipe, run, fabric, Console(quiet=True))
    return Trainer(fabric, prepared.model, prepared.batches), prepared


def find_two(settings: DataSettings, *arguments: Any, **options: Any) -> Collections:
    """The files of two domains called a and b."""
    return find_collections(settings, ("a", "b"), *arguments, **options)


def mean_figures(score: Callable[..., Any]) -> Callable[..., dict[str, float]]:
    """A metric's function whose values of items are averaged, as the scorer does."""

    def averaged(*arguments: Any) -> dict[str, float]:
        return {name: float(np.nanmean(value)) for name, value in score(*arguments).items()}

    return averaged
