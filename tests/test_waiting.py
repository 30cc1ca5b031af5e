"""Threads spin while alone, sleep once others want a processor, and do what the user says."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from cyclekit import waiting
from cyclekit.waiting import CHOICES, TASKS, Neighbours, delays

SHOW = "print({name: os.environ.get(name) for name in %r})" % (CHOICES,)  # noqa: UP031
SLEEPS = """
import resource, torch
from cyclekit.waiting import SpareThreads

def switches():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    for _ in range(300):
        x.mul_(1.5)
        sum(range(2_000))  # much longer than a hundred turns, much shorter than three milliseconds
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before

torch.set_num_threads(2)
x, spare = torch.ones(2**17), SpareThreads()
alone = switches()
spare.hold()
time.sleep(0.2)
beside = switches()
spare.release()
time.sleep(0.2)
print(alone, beside, switches())
"""

COME_AND_GO = """
import itertools, torch
from cyclekit import waiting
busy = itertools.cycle([True, False])
waiting.EVERY = {every}
waiting.Neighbours.are_busy = lambda self, seconds: next(busy)
torch.set_num_threads(2)
"""
"""Neighbours are there every other time that somebody looks."""


def run(code: str, **environment: str) -> str:
    """What a process prints in which nobody has chosen how threads wait."""
    clean = {key: value for key, value in os.environ.items() if key not in CHOICES}
    done = subprocess.run(
        [sys.executable, "-c", f"import os, time\n{code}"],
        capture_output=True, text=True, check=True, env=clean | environment,
    )  # fmt: skip
    return done.stdout


def seen(code: str, **environment: str) -> str:
    """What a process that runs ``code`` prints of how its threads wait."""
    return run(f"{code}\n{SHOW}", **environment)


@pytest.mark.parametrize("code", ["import cyclekit", "import cyclekit.cli"])
def test_whoever_begins_with_cyclekit_waits_as_it_wants(code: str) -> None:
    policy = None if delays(TASKS) else "PASSIVE"
    assert str({"OMP_WAIT_POLICY": policy, "GOMP_SPINCOUNT": None, "KMP_BLOCKTIME": "0"}) in seen(
        code
    )


def test_where_nobody_can_be_seen_threads_sleep(tmp_path: Path) -> None:
    """No account of threads, as on macOS."""
    hidden = f"""
import sys
sys.modules["torch"] = None  # importing the module below shall change nothing
from cyclekit import waiting
del sys.modules["torch"]
waiting.TASKS = waiting.Path({str(tmp_path)!r})
waiting.choose_waiting()
"""
    assert "'OMP_WAIT_POLICY': 'PASSIVE'" in seen(hidden)


def test_other_systems_are_not_asked_what_only_linux_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(waiting, "TASKS", tmp_path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)
    waiting.watch_neighbours()
    assert "cyclekit-neighbours" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("choice", CHOICES)
def test_the_users_own_setting_wins(choice: str) -> None:
    wanted = dict.fromkeys(CHOICES) | {choice: "1"}
    assert str(wanted) in seen("import cyclekit", **{choice: "1"})


@pytest.mark.slow
def test_what_torch_has_read_already_is_left_alone() -> None:
    assert str(dict.fromkeys(CHOICES)) in seen("import torch, cyclekit")


gnu = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2 or not delays(TASKS),
    reason="needs two processors and torch for Linux, whose OpenMP is GNU's",
)


@pytest.mark.slow
@gnu
def test_spare_threads_make_the_others_sleep() -> None:
    """Counted in times that a thread gave its processor up."""
    alone, beside, again = map(int, run(SLEEPS).split())
    assert alone < 100
    assert beside > 200
    assert again < 100


@pytest.mark.slow
@gnu
def test_a_process_ends_in_order_while_threads_come_and_go() -> None:
    """An interpreter that ends while one of its threads is inside torch aborts the process."""
    code = """
import random
waiting.watch_neighbours()
time.sleep(0.2 + 0.01 * random.random())
"""
    for _ in range(4):
        run(COME_AND_GO.format(every=0.0005) + code)


def test_neighbours_are_busy_when_threads_wait_for_a_processor() -> None:
    readings = iter([
        {"1": 0, "2": 0},
        {"1": 4_000_000, "2": 3_000_000},  # alone
        {"1": 304_000_000, "2": 403_000_000},  # one of two cores is taken
        {"1": 310_000_000, "3": 900_000_000},  # a thread has ended, another one begun
    ])  # fmt: skip
    neighbours = Neighbours(lambda: next(readings))
    assert [neighbours.are_busy(1.0) for _ in range(3)] == [False, True, False]


@pytest.mark.slow
@gnu
def test_no_bit_depends_on_how_threads_wait() -> None:
    """Threads begin to sleep and to spin again in the middle of steps."""
    code = """
import sys; sys.path.insert(0, "benchmarks")
import threading
from trainers import picture_task, ready_trainer
trainer = ready_trainer(picture_task(32, 1, 1, generator__channels=16, discriminator__channels=16))
for _ in range(6):
    trainer.train_step()
print(any(thread.name == "cyclekit-neighbours" for thread in threading.enumerate()))
generator = trainer.model.networks["generator_a2b"]
print([weight.double().sum().item() for weight in generator.parameters()])
"""
    code = COME_AND_GO.format(every=0.05) + code
    watching, *watched = run(code).splitlines()
    left_alone, *alone = run(code, OMP_WAIT_POLICY="PASSIVE").splitlines()
    assert (watching, left_alone) == ("True", "False")
    assert watched == alone
