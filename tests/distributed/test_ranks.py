"""Two real gloo processes train what one process with the doubled batch trains."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from audio_support import SMALL_AUDIO, write_voices
from music_support import SMALL_MUSIC, write_scales
from safetensors.torch import load_file
from support import SMALL, as_options, records

BIN = Path(sys.executable).parent
DETERMINISTIC = SMALL | {
    "train.steps": 5,
    "train.evaluate_every": 0,
    "train.preview_every": 0,
    "history.size": 0,  # buffers are each rank's own
    "objective.input_noise.sigma": 0.1,
}


def train(command: list[object], data: Path, run: Path, settings: dict[str, object]) -> None:
    options = [f"--data={data}", f"--run-dir={run}", "--accelerator=cpu", *as_options(settings)]
    done = subprocess.run(
        [*map(str, command), *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        cwd=run.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr


def difference(one: Path, other: Path) -> float:
    """The largest difference between two runs' weights."""
    found = []
    for file in (one / "checkpoints/latest").glob("*.safetensors"):
        again = load_file(other / "checkpoints/latest" / file.name)
        found += [(x - again[name]).abs().max() for name, x in load_file(file).items()]
    return torch.stack(found).max().item()


@pytest.mark.slow
def test_two_ranks_equal_one_with_the_doubled_batch(folders: Path, tmp_path: Path) -> None:
    base = ["train", "--plugin=image", "--recipe=horse2zebra", "--precision=64-true"]
    settings = DETERMINISTIC | {"train.accumulate": 2}
    one, two, by_torchrun = (tmp_path / name for name in ("one", "two", "torchrun"))
    train([BIN / "cyclekit", *base], folders, one, settings | {"train.batch_size": 2})
    halved = settings | {"train.batch_size": 1}
    train([BIN / "cyclekit", *base, "--devices=2", "--strategy=ddp"], folders, two, halved)
    torchrun = [BIN / "torchrun", "--standalone", "--nproc-per-node=2", "-m", "cyclekit"]
    train([*torchrun, *base], folders, by_torchrun, halved)
    assert difference(one, two) < 1e-8
    assert difference(one, by_torchrun) < 1e-8
    losses = [[record["generators"] for record in records(run)] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "write", "settings"),
    [
        (
            "music/chorale2game",
            write_scales,
            SMALL_MUSIC | {"objective.mixed_domain": "{weight = 1, generator_weight = 1}"},
        ),
        (  # windows longer than some of the utterances: gaps on one rank and not on the other
            "audio/slt2rms",
            write_voices,
            SMALL_AUDIO | {"codec.frames": 40, "objective.frame_mask.longest": 8},
        ),
    ],
    ids=["music", "audio"],
)
def test_two_ranks_train_other_modalities_as_one_does(
    recipe: str, write: Callable[[Path], Path], settings: dict[str, object], tmp_path: Path
) -> None:
    data = write(tmp_path / "data")
    plugin, _, name = recipe.partition("/")
    base = [BIN / "cyclekit", "train", f"--plugin={plugin}", f"--recipe={name}"]
    settings |= {"train.precision": "64-true", "train.preview_every": 0, "history.size": 0}
    one, two = tmp_path / "one", tmp_path / "two"
    train(list(base), data, one, settings | {"train.batch_size": 4})
    train([*base, "--devices=2", "--strategy=ddp"], data, two, settings | {"train.batch_size": 2})
    assert difference(one, two) < 1e-8


@pytest.mark.slow
def test_a_network_with_unused_parameters_trains_on_two_ranks(
    folders: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "lazy.py"
    plugin.write_text("""
import torch
from cyclekit.api import RESNET, Network, ResNetGenerator, hookimpl

class Lazy(ResNetGenerator):
    def __init__(self, source, target, options):
        super().__init__(source, target, options)
        self.unused = torch.nn.Parameter(torch.zeros(3))

@hookimpl
def cyclekit_generators(modality):
    yield Network("lazy", Lazy, RESNET.options)
""")
    command: list[object] = [BIN / "cyclekit", "train", "--plugin=image", "--recipe=horse2zebra"]
    settings = SMALL | {"generator.name": "lazy", "extensions": f"['{plugin}']"}
    train([*command, "--devices=2"], folders, tmp_path / "run", settings)
    weights = load_file(tmp_path / "run/checkpoints/latest/generator_a2b.safetensors")
    assert weights["unused"].tolist() == [0, 0, 0]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["run"]


@pytest.mark.slow
def test_ranks_stop_together(folders: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = SMALL | {"train.steps": 100_000, "train.evaluate_every": 0, "train.keep": 1}
    process = subprocess.Popen(
        [BIN / "cyclekit", "train", "--plugin=image", "--recipe=horse2zebra", "--devices=2",
         f"--data={folders}", f"--run-dir={run}", "--accelerator=cpu", *as_options(settings)],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    while process.poll() is None and not (run / "checkpoints/latest").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # to the first rank alone
    _, said = process.communicate(timeout=90)
    assert process.returncode == 143, said
    assert f"cyclekit resume {run}" in said
    stopped = int((run / "checkpoints/latest").resolve().name.removeprefix("step-"))
    assert 0 < stopped < 100_000
    assert records(run)[-1]["step"] <= stopped
