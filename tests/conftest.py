"""What the tests share: small pictures, small networks, one run that is trained once."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support import SMALL, Outcome, as_options, draw

from cyclekit.cli import main

# Two busy processes on two cores would make torch's threads wait for each other.
torch.set_num_threads(1)


# Nor would those of the commands that tests start.
os.environ["OMP_NUM_THREADS"] = "1"


# No test cuts the power, and waiting for the disk takes a third of the suite's time.
os.fsync = lambda descriptor: None


# What tests name is not remembered among what the person has named who runs them.
STATE = tempfile.TemporaryDirectory(prefix="cyclekit-tests-")
os.environ["XDG_STATE_HOME"] = STATE.name


@pytest.hookimpl(trylast=True)  # once it is known what is left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the demos where two workers begin: they take longest, and each worker begins with its
    half of the list."""
    demos = [item for item in items if "test_demo" in item.nodeid]
    others = [item for item in items if item not in demos]
    middle = max(0, len(items) // 2 - 2)
    items[:] = [*demos[:2], *others[:middle], *demos[2:], *others[middle:]]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """trainA trainB testA testB with a few pictures; test files are pairs: B's are darker."""
    root = tmp_path_factory.mktemp("data")
    for split, count, first in (("trainA", 6, 0), ("trainB", 7, 100), ("testA", 3, 200)):
        for index in range(count):
            draw(root / split / f"{index}.png", first + index)
    for index in range(3):
        draw(root / "testB" / f"{index}.png", 200 + index, brightness=0.6)
    return root


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command in this process; returns its exit code and what it printed."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capfd.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def trained(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps."""
    run = tmp_path_factory.mktemp("runs") / "trained"
    main(["train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
          f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL)])  # fmt: skip
    return run


@pytest.fixture(autouse=True)
def _default_dtype() -> Iterator[None]:
    before = torch.get_default_dtype()
    yield
    assert torch.get_default_dtype() is before, "a test left another default dtype behind"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are no names: archives, for one, hold the time at which they were made, so that
    workers that started in different seconds would not agree about which tests there are."""
    return argname if isinstance(val, bytes) and len(val) > 16 else None
