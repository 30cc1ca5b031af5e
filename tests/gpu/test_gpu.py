"""What can only be seen on a GPU: ``benchmarks/gpu.sh`` runs these first.

``CYCLEKIT_GPU_TESTS=cpu`` tries the tests themselves where there is none.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support import SMALL, Cli, make_trainer, records, training
from torch import nn
from torch.nn.functional import instance_norm, pad

from cyclekit.engine.fabric import Hardware, full_precision, start_fabric
from cyclekit.nets.fused import normalized

DEVICE = os.environ.get("CYCLEKIT_GPU_TESTS", "cuda")
ON_DEVICE = f"--accelerator={DEVICE}"

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cuda" and not torch.cuda.is_available(),
        reason="there is no CUDA device; set CYCLEKIT_GPU_TESTS=cpu to try the tests on a CPU",
    ),
]

_training = training("image", "horse2zebra", SMALL)


def arguments(data: Path, run: Path, **settings: object) -> list[str]:
    """A command that trains on the device."""
    return [*_training(data, run, **settings), ON_DEVICE]


@pytest.fixture
def _deterministic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def assert_same_networks(one: Path, other: Path) -> None:
    """Whether two checkpoints hold the same to the bit."""
    files = list(one.glob("*.safetensors"))
    assert files
    for file in files:
        again = load_file(other / file.name)
        for name, tensor in load_file(file).items():
            assert tensor.equal(again[name]), (file.name, name)


@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_resume_is_exact(cli: Cli, folders: Path, tmp_path: Path, precision: str) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    done = cli(*arguments(folders, whole, train__precision=precision, train__ema=0.9))
    assert done.code == 0, done.err
    shutil.copytree(whole, halved, symlinks=True)
    shutil.rmtree(halved / "checkpoints/step-00000004")
    resumed = cli("resume", halved, ON_DEVICE)
    assert resumed.code == 0, resumed.err
    assert_same_networks(whole / "checkpoints/step-00000004", halved / "checkpoints/step-00000004")


@pytest.mark.parametrize(
    "settings",
    [
        {"train__precision": "bf16-mixed"},
        {"train__precision": "16-mixed"},
        {"objective__adversarial__loss": "wgan-gp"},
        {"generator__norm": "batch"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_training_ends_with_finite_losses(
    cli: Cli, folders: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    run = tmp_path / "run"
    done = cli(*arguments(folders, run, **settings))
    assert done.code == 0, done.err
    losses = [
        value for record in records(run) if "generators" in record for value in record.values()
    ]
    assert len(losses) > 10
    assert np.isfinite(losses).all()


def test_auto_says_what_the_card_is_and_what_was_chosen(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    done = cli(*arguments(folders, tmp_path / "run", train__steps=1))
    assert done.code == 0, done.err
    assert "(auto: " in done.err
    if DEVICE == "cuda":
        assert torch.cuda.get_device_name() in done.err


@pytest.mark.parametrize(
    "settings",
    [{}, {"train__memory": "low"}, {"train__compile": True}, {"train__channels_last": True}],
    ids=["as it is", "memory", "compile", "channels last"],
)
def test_steps_are_the_cpus_to_rounding(
    folders: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    learned = []
    for index, (device, more) in enumerate((("cpu", {}), (DEVICE, settings))):
        fabric = start_fabric(Hardware(accelerator=device), "64-true")
        folder = tmp_path / str(index)
        folder.mkdir()
        trainer, _ = make_trainer(folders, folder, fabric, train__precision="64-true", **more)
        with full_precision("64-true"):
            trainer.train_step()
        learned.append(nn.ModuleDict(trainer.model.networks).cpu().state_dict())
    for name, tensor in learned[0].items():
        torch.testing.assert_close(learned[1][name], tensor, rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(DEVICE != "cuda", reason="CUDA graphs are for CUDA devices")
def test_replayed_steps_are_the_others_to_rounding(folders: Path, tmp_path: Path) -> None:
    learned = []
    for graphs in (False, True):
        folder = tmp_path / str(graphs)
        folder.mkdir()
        changed = {"train__precision": "64-true", "train__cuda_graphs": graphs}
        fabric = start_fabric(Hardware(accelerator=DEVICE), "64-true")
        trainer, _ = make_trainer(folders, folder, fabric, objective__history_size=2, **changed)
        with full_precision("64-true"):
            for _ in range(6):
                trainer.train_step()
                trainer.step += 1
        trainer.require_finite()
        if graphs:
            assert trainer.replays is not None
            assert trainer.replays.count >= 2  # both phases
        learned.append(nn.ModuleDict(trainer.model.networks).cpu().state_dict())
    for name, tensor in learned[0].items():
        torch.testing.assert_close(learned[1][name], tensor, rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(DEVICE != "cuda", reason="CUDA graphs are for CUDA devices")
@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_resume_is_exact_with_replays(
    cli: Cli, folders: Path, tmp_path: Path, precision: str
) -> None:
    """A resumed run records anew, and takes its first steps without."""
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    graphs = {"train__cuda_graphs": True, "objective__history_size": 2}
    graphs |= {"train__precision": precision}
    lasting = {"train__steps": 16, "train__checkpoint_every": 8, "train__preview_every": 0}
    done = cli(*arguments(folders, whole, train__evaluate_every=0, **graphs, **lasting))
    assert done.code == 0, done.err
    assert "cuda_graphs" not in done.err
    shutil.copytree(whole, halved, symlinks=True)
    shutil.rmtree(halved / "checkpoints/step-00000016")
    resumed = cli("resume", halved, ON_DEVICE)
    assert resumed.code == 0, resumed.err
    assert_same_networks(whole / "checkpoints/step-00000016", halved / "checkpoints/step-00000016")


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_translations_are_the_cpus_to_rounding(
    cli: Cli, trained: Path, folders: Path, tmp_path: Path, direction: str
) -> None:
    source = folders / f"test{direction[0].upper()}" / "0.png"
    pictures = []
    for device in ("cpu", DEVICE):
        out = tmp_path / f"{direction}-{device}-{len(pictures)}"
        done = cli("translate", trained, source, "-o", out, f"--direction={direction}",
                   f"--accelerator={device}", "--precision=32-true")  # fmt: skip
        assert done.code == 0, done.err
        pictures.append(np.asarray(Image.open(out / "0.png")).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.skipif(
    DEVICE != "cuda", reason="Triton compiles for GPUs; tests/nets/test_fused.py interprets it"
)
@pytest.mark.parametrize("shape", [(1, 256, 64, 64), (16, 64, 128, 96), (3, 20, 7, 9)])
@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-4), (torch.bfloat16, 5e-2)])
def test_norm_activation_and_reflection_are_one_operation(
    shape: tuple[int, ...], dtype: torch.dtype, off: float
) -> None:
    torch.manual_seed(0)
    x = (torch.randn(shape, device=DEVICE) * 3 + 5).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    exact = x.detach().double().requires_grad_()
    found = normalized(x, 1e-5, 0.0, (1, 1))
    truth = pad(instance_norm(exact).relu(), [1, 1, 1, 1], mode="reflect")
    torch.testing.assert_close(found.double(), truth, rtol=off, atol=off)
    gradient = torch.randn_like(truth)
    (own,) = torch.autograd.grad(found, x, gradient.to(dtype))
    (its,) = torch.autograd.grad(truth, exact, gradient)
    torch.testing.assert_close(own.double(), its, rtol=off, atol=off)
