"""A run that is killed, or asked to stop, ends where the one that was left alone ends."""

import importlib.util
import os
import signal
import time
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def killing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("killing", Path(__file__).with_name("killing.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.proof
def test_kill_minus_nine(killing: ModuleType, folders: Path, tmp_path: Path) -> None:
    assert killing.kill_and_compare(folders, tmp_path, kills=3, seed=0) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_finish_the_step_and_save(
    killing: ModuleType, folders: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    run = tmp_path / "run"
    process = killing.train(folders, run)
    while process.poll() is None and killing.newest(run) < 3:
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said.decode()
    assert f"cyclekit resume {run}" in said.decode()
    assert number.name in said.decode()
    stopped = killing.newest(run)
    assert 3 <= stopped < 30
    killing.finish(killing.start("resume", run))
    assert killing.newest(run) == 30
