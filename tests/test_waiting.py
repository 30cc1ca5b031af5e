"""Threads wait asleep, unless the user wants something else."""

import os
import subprocess
import sys

import pytest

from cyclekit.waiting import CHOICES

SHOW = "; print({name: os.environ.get(name) for name in %r})" % (CHOICES,)  # noqa: UP031


def seen(code: str, **environment: str) -> str:
    """What a process that runs ``code`` prints of how its threads wait."""
    clean = {key: value for key, value in os.environ.items() if key not in CHOICES}
    done = subprocess.run(
        [sys.executable, "-c", f"import os; {code}{SHOW}"],
        capture_output=True, text=True, check=True, env=clean | environment,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize(
    "code",
    ["import cyclekit", "import cyclekit.cli", "from cyclekit import api", "import cyclekit_image"],
)
def test_whoever_begins_with_cyclekit_waits_passively(code: str) -> None:
    printed = seen(code)
    assert "'OMP_WAIT_POLICY': 'PASSIVE'" in printed
    assert "'KMP_BLOCKTIME': '0'" in printed


@pytest.mark.parametrize("choice", CHOICES)
def test_the_users_own_setting_wins(choice: str) -> None:
    wanted = dict.fromkeys(CHOICES) | {choice: "1"}
    assert str(wanted) in seen("import cyclekit", **{choice: "1"})


def test_what_torch_has_read_already_is_left_alone() -> None:
    assert str(dict.fromkeys(CHOICES)) in seen("import torch, cyclekit")
