"""``auto`` is the precision that a device is fast in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import SMALL, as_options

from cyclekit.engine import arithmetic
from cyclekit.engine.arithmetic import choose_arithmetic, own_arithmetic

Cli = Callable[..., Any]
CPU = torch.device("cpu")


def pretend(patch: pytest.MonkeyPatch, *, units: bool, amx: bool, share: float) -> None:
    """A CPU that has these units, and takes this share of float32's time in bf16."""
    patch.setattr(arithmetic, "_onednn_has_bf16", lambda: units)
    patch.setattr(arithmetic, "_has_amx", lambda: amx)
    patch.setattr(arithmetic, "_measured", lambda device: share)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, units=False, amx=False, share=25.0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, units=True, amx=True, share=0.4)


@pytest.mark.parametrize(
    ("units", "amx", "share", "chosen"),
    [
        (False, False, 25.0, "32-true"),  # most laptops
        (True, True, 0.4, "bf16-mixed"),
        (True, False, 0.5, "bf16-mixed"),  # vectors of bf16 that are faster
        (True, False, 1.3, "32-true"),  # vectors of bf16 that are not
        (True, False, 2.9, "32-true"),  # oneDNN imitates bf16 on AVX-512
    ],
)
def test_a_cpu_computes_in_what_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, units: bool, amx: bool, share: float, chosen: str
) -> None:
    pretend(monkeypatch, units=units, amx=amx, share=share)
    found = choose_arithmetic("auto", CPU)
    assert found.precision == chosen
    assert found.reason.startswith("auto: ")
    assert not found.slowdown


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
    assert choose_arithmetic("bf16-mixed", CPU).slowdown == 25
    assert choose_arithmetic("16-mixed", CPU).precision == "bf16-mixed"  # all that CPUs have
    for precision in ("32-true", "64-true"):
        assert choose_arithmetic(precision, CPU) == arithmetic.Arithmetic(precision)


@pytest.mark.usefixtures("slow")
def test_a_run_from_a_faster_machine_is_used_in_float32() -> None:
    assert own_arithmetic("bf16-mixed", CPU).precision == "32-true"
    assert own_arithmetic("64-true", CPU).precision == "64-true"


@pytest.mark.usefixtures("fast")
def test_a_run_is_used_in_its_own_precision_where_that_is_fast() -> None:
    assert own_arithmetic("bf16-mixed", CPU).precision == "bf16-mixed"
    assert own_arithmetic("32-true", CPU).precision == "32-true"


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


def test_the_choice_follows_what_torch_would_really_use() -> None:
    assert chosen_with(ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2").startswith("32-true")


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
    pretend(monkeypatch, units=True, amx=True, share=0.4)  # moved to a machine with units
    kept = cli("resume", run, "--steps=3", "--accelerator=cpu")
    assert kept.code == 0, kept.err
    assert 'precision = "32-true"' in (run / "recipe.toml").read_text()
    changed = cli("resume", run, "--steps=4", "--precision=auto", "--accelerator=cpu")
    assert changed.code == 0, changed.err
    assert "precision: bf16-mixed (auto: this CPU has AMX)" in changed.err
    assert 'precision = "bf16-mixed"' in (run / "checkpoints/latest/recipe.toml").read_text()
    records = (run / "changes.jsonl").read_text()
    line = '{"step": 3, "key": "train.precision", "before": "32-true", "after": "bf16-mixed"}'
    assert line in records
    page = cli("report", run)
    assert page.code == 0
    shown = "train.precision = bf16-mixed instead of 32-true from step 3"
    assert shown in (run / "report.html").read_text()


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
    assert "precision: 32-true (bf16-mixed takes 25 times as long here)" in translated.err


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
            assert tensor.dtype is wanted
            assert tensor.equal(again[name]), (file.name, name)
