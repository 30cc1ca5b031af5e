"""Commands on two gloo ranks, one after another in the same two processes.

Importing torch takes longer than a few steps do.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parent


def on_two_ranks(commands: Sequence[Sequence[object]], folder: Path) -> None:
    """Run commands of cyclekit as torchrun would start them; each must succeed on both ranks."""
    told = folder / "commands.json"
    told.write_text(json.dumps([[*map(str, command)] for command in commands]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "tests",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "ranks", told],
            env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": "0"},
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in "01"
    ]  # fmt: skip
    said = [rank.communicate()[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(said)


def _run_all(told: Path) -> None:
    from cyclekit.cli import main

    for command in json.loads(told.read_text()):
        try:
            main(command)
        except SystemExit as stop:
            if stop.code:
                raise


if __name__ == "__main__":
    _run_all(Path(sys.argv[1]))
