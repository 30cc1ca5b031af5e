"""Kill a training at each of its operations on files, resume it, compare with one left alone.

Every trial is a fork of one process that has imported everything, so that it takes a second.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from cyclekit.cli import main
from cyclekit.runs.checkpoint import Checkpoint

CHANGING = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate",
    "shutil.rmtree", "shutil.copyfile", "tempfile.mkdtemp",
}  # fmt: skip
# Whoever resumes begins these anew, at other times.
OWN_TIME = {"timing.jsonl", "run.json", ".owner", ".lock"}
OWN_FOLDERS = {"tensorboard"}


def changes(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audited event changes something on a disk."""
    if event == "open" and len(arguments) == 3:
        path, mode, flags = arguments
        if isinstance(path, int) or "/dev/" in str(path):
            return False
        return bool(set(mode or "") & set("wax+")) or bool(
            flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )
    return event in CHANGING


def can_fork() -> bool:
    """Whether a fork could train: not once autograd has threads, which some tests' gradients of
    gradients give it."""
    back = torch.ones((), requires_grad=True).backward
    return forked(back, Path(os.devnull)) == 0


def forked(work: Callable[[], object], said: Path, limit: int = 300) -> int:
    """Run something in a fork; returns its exit code, negative for a signal.

    Args:
        work: What to do there.
        said: Gets what it prints.
        limit: Seconds after which it ends by SIGALRM: it hangs.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            # pytest's own write elsewhere.
            sys.stdout, sys.stderr = (open(n, "w", closefd=False) for n in (1, 2))  # noqa: SIM115
            signal.alarm(limit)
            # torch makes its pool of threads anew after a fork, and not if two ask for it at once.
            torch.set_num_threads(1)
            work()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status)


def train_until(arguments: list[str], operation: int | None, count: Path | None = None) -> None:
    """Train; end by SIGKILL before the operation of that number, or say how many there are."""
    done = 0

    def watch(event: str, details: tuple[Any, ...]) -> None:
        nonlocal done
        if changes(event, details):
            done += 1
            if done == operation:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise
    if count is not None:
        count.write_text(str(done))


def everything(run: Path) -> dict[str, object]:
    """What a run holds: files by their content, links by what they name, times aside."""
    found: dict[str, object] = {}
    for file in sorted(run.rglob("*")):
        name = file.relative_to(run)
        if name.parts[0] in OWN_FOLDERS or name.name in OWN_TIME:
            continue
        if file.is_symlink():
            found[str(name)] = str(file.readlink())
        else:
            found[str(name)] = content_of(file) if file.is_file() else "a folder"
    return found


def content_of(file: Path) -> object:
    """Bytes; of JSON what it says, checksums aside, since they follow from the rest."""
    if file.name == "checkpoint.json":
        told = json.loads(file.read_text())
        with Checkpoint(file.parent) as whole:
            whole.read_state()
        return {key: told[key] for key in ("step", "evaluation", "global_batch")}
    return file.read_bytes()


def trials(count: int, sample: int | None) -> Iterator[int]:
    """The operations to be killed at: all, or so many spread over them."""
    step = 1 if sample is None else max(1, count // sample)
    yield from range(1, count + 1, step)
