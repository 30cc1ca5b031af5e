"""``auto`` is the precision that a device is fast in."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import SMALL, Cli, as_options

from cyclekit.engine import arithmetic
from cyclekit.engine.arithmetic import choose_arithmetic, own_arithmetic, slowdown

CPU = torch.device("cpu")


def pretend(patch: pytest.MonkeyPatch, *, units: bool, share: float) -> None:
    """A CPU that has bf16 units, and takes this share of float32's time in bf16."""
    patch.setattr(arithmetic, "_onednn_has_bf16", lambda: units)
    patch.setattr(arithmetic, "_measured", lambda device: share)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, units=False, share=25.0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, units=True, share=0.4)


@pytest.mark.parametrize(
    ("units", "share", "chosen"),
    [
        (False, 25.0, "32-true"),  # most laptops
        (True, 0.4, "bf16-mixed"),  # matrix units, or vectors that are faster
        (True, 1.3, "32-true"),  # vectors that are not
        (True, 2.9, "32-true"),  # oneDNN imitates bf16 on AVX-512
    ],
)
def test_a_cpu_computes_in_what_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, units: bool, share: float, chosen: str
) -> None:
    pretend(monkeypatch, units=units, share=share)
    found = choose_arithmetic("auto", CPU)
    assert found.precision == chosen
    assert found.reason.startswith("auto: ")
    assert not slowdown(found.precision, CPU)


@pytest.mark.parametrize(
    ("capability", "chosen"), [((7, 5), "32-true"), ((8, 0), "bf16-mixed"), ((9, 0), "bf16-mixed")]
)
def test_a_gpu_does_too(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A card")
    found = choose_arithmetic("auto", torch.device("cuda"))
    assert found.precision == chosen
    assert "A card" in found.reason


@pytest.mark.usefixtures("slow")
def test_what_is_asked_for_is_done_and_its_price_is_known() -> None:
    assert choose_arithmetic("bf16-mixed", CPU).precision == "bf16-mixed"
    assert slowdown("bf16-mixed", CPU) == 25
    assert choose_arithmetic("16-mixed", CPU).precision == "bf16-mixed"  # all that CPUs have
    for precision in ("32-true", "64-true"):
        assert choose_arithmetic(precision, CPU) == arithmetic.Arithmetic(precision)


def test_ranks_that_are_fast_in_different_precisions_compute_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ranks:
        """Two of them, seen from the first."""

        @staticmethod
        def broadcast(own: arithmetic.Arithmetic) -> arithmetic.Arithmetic:
            return own

    ranks: Any = Ranks()
    first = arithmetic.Arithmetic("bf16-mixed", "auto: the first card")
    for second, agreed in (("bf16-mixed", "bf16-mixed"), ("32-true", "32-true")):
        other = arithmetic.Arithmetic(second, "auto: the second card")
        monkeypatch.setattr(arithmetic, "gather", lambda _, own, other=other: [own, other])
        assert arithmetic.agree(ranks, first).precision == agreed


@pytest.mark.usefixtures("slow")
def test_a_run_from_a_faster_machine_is_used_in_float32() -> None:
    assert own_arithmetic("bf16-mixed", CPU).precision == "32-true"
    assert own_arithmetic("bf16-mixed", torch.device("mps")).precision == "32-true"  # never tried
    assert own_arithmetic("64-true", CPU).precision == "64-true"


@pytest.mark.usefixtures("fast")
def test_a_run_is_used_in_its_own_precision_where_that_is_fast() -> None:
    assert own_arithmetic("bf16-mixed", CPU).precision == "bf16-mixed"
    assert own_arithmetic("32-true", CPU).precision == "32-true"


@pytest.mark.slow
def test_measuring_leaves_draws_and_gradients_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with torch.inference_mode():  # where somebody opens a run
        assert arithmetic._measured.__wrapped__(CPU) > 0
    assert torch.rand(3).equal(expected)


def chosen_with(**environment: str) -> str:
    """What ``auto`` means for a process that oneDNN and torch allow only so much."""
    asked = (
        "import torch; from cyclekit.engine.arithmetic import choose_arithmetic;"
        "print(choose_arithmetic('auto', torch.device('cpu')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the settings are for such processors"
)
def test_the_choice_follows_what_torch_would_really_use() -> None:
    assert chosen_with(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2").startswith("32-true")


@pytest.mark.slow
@pytest.mark.usefixtures("slow")
def test_a_run_keeps_what_was_chosen_and_can_change_it(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    arguments = ["train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                 f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL)]  # fmt: skip
    begun = cli(*arguments, "--steps=2")
    assert begun.code == 0, begun.err
    assert "precision: 32-true (auto: " in begun.err
    for recipe in (run / "recipe.toml", run / "checkpoints/latest/recipe.toml"):
        assert 'precision = "32-true"' in recipe.read_text()
    pretend(monkeypatch, units=True, share=0.4)  # moved to a machine with units
    kept = cli("resume", run, "--steps=3", "--accelerator=cpu")
    assert kept.code == 0, kept.err
    assert 'precision = "32-true"' in (run / "recipe.toml").read_text()
    changed = cli("resume", run, "--steps=4", "--precision=auto", "--accelerator=cpu")
    assert changed.code == 0, changed.err
    assert "precision: bf16-mixed (auto: bf16 was measured to take 0.4 of" in changed.err
    assert 'precision = "bf16-mixed"' in (run / "checkpoints/latest/recipe.toml").read_text()
    records = (run / "changes.jsonl").read_text()
    line = '{"step": 3, "key": "train.precision", "before": "32-true", "after": "bf16-mixed"}'
    assert records.count(line) == 1
    page = cli("report", run)
    assert page.code == 0
    shown = "train.precision = bf16-mixed instead of 32-true from step 3"
    assert shown in (run / "report.html").read_text()
    shutil.rmtree(run / "checkpoints/step-00000003")  # damaged, say; so it goes on from before
    shutil.rmtree(run / "checkpoints/step-00000004")
    earlier = cli("resume", run, "--steps=4", "--accelerator=cpu")
    assert earlier.code == 0, earlier.err
    moved = line.replace('"step": 3', '"step": 2')
    assert moved in (run / "changes.jsonl").read_text()
    assert line not in (run / "changes.jsonl").read_text()


@pytest.mark.usefixtures("slow")
def test_what_is_slow_is_done_after_one_warning(cli: Cli, folders: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                 f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL)]  # fmt: skip
    begun = cli(*arguments, "--steps=1", "--precision=bf16-mixed")
    assert begun.code == 0, begun.err
    assert begun.err.count("warning: bf16-mixed takes 25 times as long as 32-true") == 1
    resumed = cli("resume", run, "--steps=2", "--accelerator=cpu")
    assert resumed.code == 0, resumed.err
    assert 'precision = "bf16-mixed"' in (run / "recipe.toml").read_text()
    assert f"cyclekit resume {run} --precision 32-true" in resumed.err
    translated = cli("translate", run, folders / "testA/0.png", "-o", tmp_path / "out",
                     "--direction=a2b", "--accelerator=cpu")  # fmt: skip
    assert translated.code == 0, translated.err
    assert "precision: 32-true (the run's bf16-mixed is slow here: " in translated.err


@pytest.mark.slow
@pytest.mark.parametrize("to", ["64-true", "bf16-mixed"])
def test_training_goes_on_in_another_precision_and_is_exact_from_there(
    cli: Cli, trained: Path, tmp_path: Path, to: str
) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    shutil.copytree(trained, whole, symlinks=True)
    changed = cli("resume", whole, "--steps=8", f"--precision={to}", "--accelerator=cpu")
    assert changed.code == 0, changed.err
    shutil.copytree(whole, halved, symlinks=True)
    shutil.rmtree(halved / "checkpoints/step-00000008")
    resumed = cli("resume", halved, "--accelerator=cpu")
    assert resumed.code == 0, resumed.err
    wanted = torch.float64 if to == "64-true" else torch.float32
    for file in (whole / "checkpoints/step-00000008").glob("*.safetensors"):
        again = load_file(halved / "checkpoints/step-00000008" / file.name)
        for name, tensor in load_file(file).items():
            assert tensor.dtype is wanted or file.stem in ("state", "codec")
            assert tensor.equal(again[name]), (file.name, name)
