"""Two real gloo processes train what one process with the doubled batch trains."""

import os
import shutil
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
from objectives.toy import write_signals
from ranks import on_two_ranks
from safetensors.torch import load_file
from support import QUICK, SMALL, Outcome, as_options, records, training

from cyclekit.errors import UsageError
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.resolve import resolve
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory
from cyclekit.training.resuming import keep_global_batch
from cyclekit.training.supervisor import Hung, Pulse, _report

BIN = Path(sys.executable).parent
TESTS = Path(__file__).parent.parent
QUIET = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}
DETERMINISTIC = SMALL | {
    "train.steps": 5,
    "train.evaluate_every": 0,
    "train.preview_every": 0,
    "objective.history_size": 0,  # buffers are each rank's own
    "generator.downsample": "blur",  # has a buffer
    "objective.input_noise.sigma": 0.1,
    "objective.augmentation": "{translation = 0.25, cutout = 0.5, colour = true}",
}
PROJECTED: dict[str, object] = {
    name: value for name, value in DETERMINISTIC.items() if name != "discriminator.layers"
} | {
    "discriminator.name": "projected",
    "discriminator.side": 32,
    "discriminator.beside": "patchgan_slopes",
    "discriminator.patches": "{channels = 4, layers = 2}",
    "objective.second_adversarial": "{weight = 0}",
    "objective.mixed_domain": "{weight = 0, generator_weight = 0}",
    "train.steps": 3,
}
"""Looks through trained features."""


def train(command: list[object], data: Path, run: Path, settings: dict[str, object]) -> None:
    run.parent.mkdir(exist_ok=True)
    options = [f"--data={data}", f"--run-dir={run}", "--accelerator=cpu", *as_options(settings)]
    done = subprocess.run(
        [*map(str, command), *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        cwd=run.parent,
        env=QUIET,
    )
    assert done.returncode == 0, done.stderr


def half_way(run: Path, to: Path) -> Path:
    """A copy of a run as it was at step 2."""
    shutil.copytree(run, to, symlinks=True)
    for checkpoint in (to / "checkpoints").glob("step-*"):
        if checkpoint.name != "step-00000002":
            shutil.rmtree(checkpoint)
    (to / "checkpoints/latest").unlink()
    return to


def read_recipe(run: Path) -> Recipe:
    """A run's resolved recipe."""
    return resolve(read_layers(run / "recipe.toml"), load_plugin("image").modality)


def difference(one: Path, other: Path) -> float:
    """The largest difference between two runs' weights."""
    found = []
    for file in (one / "checkpoints/latest").glob("*.safetensors"):
        again = load_file(other / "checkpoints/latest" / file.name)
        found += [(x - again[name]).abs().max() for name, x in load_file(file).items()]
    return torch.stack(found).max().item()


RECORD_GRADIENTS = """
import os
import torch
from cyclekit.engine.trainer import Trainer

watch = Trainer._watch

def recorded(trainer, phase, optimizer, values):
    if trainer.step == 0:
        networks = [trainer.model.networks[name] for name in phase.trains]
        # Of a parameter that is not used there is none on one rank, and zeros on several.
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone()
                     for network in networks for p in network.parameters()]
        torch.save(gradients, f"{phase.name}-{trainer.fabric.global_rank}.pt")
    return watch(trainer, phase, optimizer, values)

Trainer._watch = recorded
"""

LAZY = """
import torch
from cyclekit.api import RESNET, Network, ResNetGenerator, hookimpl

class Lazy(ResNetGenerator):
    def __init__(self, source, target, options):
        super().__init__(source, target, options)
        self.unused = torch.nn.Parameter(torch.zeros(3))

@hookimpl
def cyclekit_generators(modality):
    yield Network("lazy", Lazy, RESNET.options)
"""


def assert_same_losses_and_gradients(one: Path, two: Path) -> None:
    """Of a run on one rank and of one on two, both recorded."""
    losses = [[record["generators"] for record in records(run)] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for phase in ("generators", "discriminators"):
        wanted = torch.load(one.parent / f"{phase}-0.pt", weights_only=True)
        assert max(gradient.abs().max() for gradient in wanted) > 1e-4
        for rank in (0, 1):
            got = torch.load(two.parent / f"{phase}-{rank}.pt", weights_only=True)
            for x, y in zip(wanted, got, strict=True):
                torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)


@pytest.mark.proof
def test_two_ranks_equal_one_with_the_doubled_batch(folders: Path, tmp_path: Path) -> None:
    base = ["train", "--plugin=image", "--recipe=horse2zebra", "--precision=64-true"]
    (tmp_path / "record.py").write_text(RECORD_GRADIENTS)
    recorder = {"extensions": f"['{tmp_path / 'record.py'}']"}
    settings = DETERMINISTIC | recorder | {"train.accumulate": 2}
    one, two, by_torchrun = (tmp_path / name / "run" for name in ("one", "two", "torchrun"))
    train([BIN / "cyclekit", *base], folders, one, settings | {"train.batch_size": 2})
    halved = settings | {"train.batch_size": 1}
    train([BIN / "cyclekit", *base, "--devices=2", "--strategy=ddp"], folders, two, halved)
    torchrun = [BIN / "torchrun", "--standalone", "--nproc-per-node=2", "-m", "cyclekit"]
    train([*torchrun, *base], folders, by_torchrun, halved)
    assert difference(one, two) < 1e-8
    assert difference(one, by_torchrun) < 1e-8
    assert_same_losses_and_gradients(one, two)

    # From step 2 on another number of ranks: the same samples in the same steps.
    for run, devices, shared in (
        (one, 2, "batch_size = 2\naccumulate = 1"),
        (two, 1, "batch_size = 1\naccumulate = 4"),
    ):
        again = half_way(run, tmp_path / f"on{devices}")
        # Not in this process, which would go on recording gradients.
        command = [BIN / "cyclekit", "resume", again, f"--devices={devices}", "--accelerator=cpu"]
        subprocess.run(command, check=True, cwd=tmp_path, env=QUIET)
        assert difference(one, again) < 1e-8
        assert shared in (again / "recipe.toml").read_text()
    checkpoint = RunDirectory(one).checkpoints.open("2")
    with pytest.raises(UsageError, match="a number of --devices that divides 4"):
        keep_global_batch(read_recipe(one), checkpoint, 3, print)


@pytest.mark.slow
@pytest.mark.parametrize(
    "judge",
    [
        pytest.param(DETERMINISTIC, id="patchgan"),
        pytest.param(PROJECTED, id="projected", marks=pytest.mark.proof),
    ],
)
def test_two_ranks_that_take_parts_equal_one_that_takes_the_whole(
    judge: dict[str, object], folders: Path, tmp_path: Path
) -> None:
    base = [BIN / "cyclekit", "train", "--plugin=image", "--recipe=horse2zebra"]
    (tmp_path / "record.py").write_text(RECORD_GRADIENTS)
    (tmp_path / "lazy.py").write_text(LAZY)
    settings = {
        "extensions": f"['{tmp_path / 'record.py'}', '{tmp_path / 'lazy.py'}']",
        "generator.name": "lazy",
        "objective.second_adversarial": "{weight = 1}",
        "objective.mixed_domain": "{weight = 1, generator_weight = 1}",
        "objective.adversarial.loss": "relativistic",
        "objective.adversarial.regularization": "{r1 = 1, r2 = 0.5, every = 2}",
        "train.precision": "64-true",
        "train.accumulate": 2,
        **judge,
    }
    one, two = tmp_path / "one" / "run", tmp_path / "two" / "run"
    train(base, folders, one, settings | {"train.batch_size": 2})
    parts = settings | {"train.batch_size": 1, "train.memory": "low"}
    train([*base, "--devices=2", "--strategy=ddp"], folders, two, parts)
    assert difference(one, two) < 1e-8
    assert_same_losses_and_gradients(one, two)


@pytest.mark.slow
def test_two_ranks_train_other_modalities_as_one_does(
    tmp_path: Path, cli: Callable[..., Outcome]
) -> None:
    mixed = {"objective.mixed_domain": "{weight = 1, generator_weight = 1}"}
    # Windows longer than some of the utterances: gaps on one rank and not on the other.
    gaps = {"codec.frames": 40, "objective.frame_mask.longest": 8}
    shared = []
    for plugin, recipe, write, settings in (
        ("music", "chorale2game", write_scales, SMALL_MUSIC | mixed),
        ("audio", "slt2rms", write_voices, SMALL_AUDIO | gaps),
    ):
        data = write(tmp_path / f"{plugin}-data")
        settings |= {
            "train.precision": "64-true",
            "train.preview_every": 0,
            "objective.history_size": 0,
            "train.steps": 3,
        }
        commands = training(plugin, recipe, settings)
        assert cli(*commands(data, tmp_path / plugin, train__batch_size=4)).code == 0
        shared.append(commands(data, tmp_path / f"{plugin}-shared", train__batch_size=2))
    on_two_ranks(shared, tmp_path)
    for plugin in ("music", "audio"):
        assert difference(tmp_path / plugin, tmp_path / f"{plugin}-shared") < 1e-8


@pytest.mark.slow
def test_a_penalty_in_a_part_of_its_own_reaches_both_ranks(tmp_path: Path) -> None:
    write_signals(tmp_path / "made", ["0", "1"])
    for split in ("train", "test"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for number in "01":
            (tmp_path / f"made/{split}{number}").rename(tmp_path / "data" / split / f"d{number}")
    (tmp_path / "recipe.toml").touch()
    plugin = TESTS / "objectives/many.py"
    base = [BIN / "cyclekit", "train", f"--plugin={plugin}", f"--recipe={tmp_path}/recipe.toml"]
    settings = QUICK | {
        "generator.channels": 4,
        "generator.blocks": 1,
        "discriminator.channels": 4,
        "discriminator.layers": 2,
        "objective.generator_every": 2,
        "train.precision": "64-true",
        "train.evaluate_every": 0,
        "train.preview_every": 0,
    }
    one, two = tmp_path / "one", tmp_path / "two"
    train(base, tmp_path / "data", one, settings | {"train.batch_size": 2})
    parts = settings | {"train.batch_size": 1, "train.memory": "low"}
    train([*base, "--devices=2", "--strategy=ddp"], tmp_path / "data", two, parts)
    assert difference(one, two) < 1e-7


@pytest.mark.slow
def test_a_network_with_unused_parameters_trains_and_resumes_on_two_ranks(
    folders: Path, tmp_path: Path, cli: Callable[..., Outcome]
) -> None:
    plugin = tmp_path / "lazy.py"
    plugin.write_text(LAZY)
    command: list[object] = [BIN / "cyclekit", "train", "--plugin=image", "--recipe=horse2zebra"]
    settings = SMALL | {"generator.name": "lazy", "extensions": f"['{plugin}']"}
    train([*command, "--devices=2"], folders, tmp_path / "run", settings)
    weights = load_file(tmp_path / "run/checkpoints/latest/generator_a2b.safetensors")
    assert weights["unused"].tolist() == [0, 0, 0]

    # Buffers of earlier fakes are each rank's own; both come back.
    resumed = half_way(tmp_path / "run", tmp_path / "resumed")
    assert cli("resume", resumed, "--devices=2", "--accelerator=cpu").code == 0
    assert difference(tmp_path / "run", resumed) == 0
    assert records(tmp_path / "run") == records(resumed)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"run", "resumed"}


def start_endless(folders: Path, run: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Two ranks that train until they are stopped; returns their parent and their process ids."""
    settings = SMALL | {
        "train.steps": 100_000,
        "train.evaluate_every": 0,
        "train.keep_checkpoints": 1,
    }
    parent = subprocess.Popen(
        [BIN / "cyclekit", "train", "--plugin=image", "--recipe=horse2zebra", "--devices=2",
         f"--data={folders}", f"--run-dir={run}", "--accelerator=cpu", *as_options(settings)],
        stderr=subprocess.PIPE, text=True, env=QUIET,
    )  # fmt: skip
    while parent.poll() is None and not (run / "checkpoints/latest").exists():
        time.sleep(0.05)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    return parent, [int(child) for child in children]


@pytest.mark.slow
def test_ranks_stop_together(folders: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    parent, ranks = start_endless(folders, run)
    os.kill(ranks[1], signal.SIGTERM)  # one rank alone
    _, said = parent.communicate(timeout=90)
    assert parent.returncode == 143, said
    assert said.count(f"cyclekit resume {run}") == 1
    stopped = int((run / "checkpoints/latest").resolve().name.removeprefix("step-"))
    assert 0 < stopped < 100_000
    assert records(run)[-1]["step"] <= stopped


@pytest.mark.slow
def test_a_rank_that_dies_is_named_and_ends_the_command(folders: Path, tmp_path: Path) -> None:
    parent, ranks = start_endless(folders, tmp_path / "run")
    os.kill(ranks[1], signal.SIGKILL)
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == 128 + signal.SIGKILL
    assert "error: rank 1 was ended by SIGKILL" in said
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)


@pytest.mark.slow
def test_a_rank_that_hangs_ends_with_the_second_request(folders: Path, tmp_path: Path) -> None:
    parent, ranks = start_endless(folders, tmp_path / "run")
    os.kill(ranks[1], signal.SIGSTOP)
    os.kill(parent.pid, signal.SIGINT)
    time.sleep(1)
    assert parent.poll() is None
    os.kill(parent.pid, signal.SIGINT)
    _, said = parent.communicate(timeout=30)
    assert parent.returncode == 128 + signal.SIGKILL
    assert "Traceback" not in said
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)


def test_a_rank_without_signs_of_life_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclekit.training.supervisor.SILENT", 0.3)
    pulse = Pulse(tmp_path, 3)
    for _ in range(4):  # longer than that altogether
        time.sleep(0.1)
        for rank in (0, 1):
            (tmp_path / f"{rank}.alive").write_text("")
        pulse.require([True, True, False])
    time.sleep(0.4)
    (tmp_path / "0.alive").write_text("")
    with pytest.raises(Hung, match=r"rank 1 has given no sign of life .* `cyclekit resume`"):
        pulse.require([True, True, False])


BAD_METRIC = """
from cyclekit.api import Metric, PluginError, hookimpl

def score(shown, fitted):
    raise PluginError("no ruler")

@hookimpl
def cyclekit_metrics(modality):
    yield Metric("ruler", {}, score)
"""


@pytest.mark.slow
def test_what_fails_on_the_first_rank_alone_loses_nothing(folders: Path, tmp_path: Path) -> None:
    """Evaluation raises there, while the others wait; the checkpoint of that step is kept."""
    run, plugin = tmp_path / "run", tmp_path / "ruler.py"
    plugin.write_text(BAD_METRIC)
    settings = SMALL | {"extensions": f"['{plugin}']", "train.evaluate_every": 2}
    done = subprocess.run(
        [BIN / "cyclekit", "train", "--plugin=image", "--recipe=horse2zebra", "--devices=2",
         f"--data={folders}", f"--run-dir={run}", "--accelerator=cpu", *as_options(settings)],
        capture_output=True, text=True, timeout=90, check=False, env=QUIET,
    )  # fmt: skip
    assert done.returncode == 1
    assert "error: rank 0: no ruler" in done.stderr
    assert (run / "checkpoints/latest").resolve().name == "step-00000002"


@pytest.mark.parametrize(
    ("failed", "words", "code", "said"),
    [
        ({0: 143, 1: 143}, {1: "stopped", 0: "stopped"}, 143, "error: stopped"),
        ({1: 1}, {1: "out of memory"}, 1, "error: rank 1: out of memory"),
        ({0: 1, 1: 1}, {1: "bad picture", 0: "lost rank 1"}, 1, "error: rank 1: bad picture"),
        ({0: -6, 1: 1}, {1: "bad picture"}, 1, "error: rank 1: bad picture"),
        ({0: 1, 1: -9}, {0: "lost rank 1"}, 137, "error: rank 1 was ended by SIGKILL"),
        ({1: 3}, {0: "lost rank 1"}, 3, "error: rank 1 ended with exit code 3"),
        ({0: -15, 1: -15}, {}, 143, "error: rank 0 was ended by SIGTERM"),
    ],
)
def test_the_cause_is_named_and_not_its_consequences(
    failed: dict[int, int],
    words: dict[int, str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _report(failed, 2, words) == code
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.slow
def test_ranks_go_with_the_command_that_started_them(folders: Path, tmp_path: Path) -> None:
    parent, ranks = start_endless(folders, tmp_path / "run")
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while any(map(is_alive, ranks)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, ranks))


def is_alive(process: int) -> bool:
    """Whether a process, which may have been left to somebody who never asks for it, still runs."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
