"""The demos, trained in the background while everything else is tested."""

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("cyclekit")
# One evaluation, at the end, is enough.
ONCE = ("--set=train.evaluate_every=0", "--set=train.checkpoint_every=0")
DEMOS = {  # parts of the demos: there is no time for the whole of them
    "music": ("--steps=350", *ONCE),
    "audio": ("--steps=700", *ONCE),
    "image": ("--steps=900", *ONCE),
}


@dataclass(frozen=True)
class Demo:
    """A trained demo: its folder, and what ``evaluate`` says of it."""

    folder: Path
    report: dict[str, Any]


class DemoRunner:
    """Trains demos in the background, two at a time, each on one core."""

    def __init__(self, folder: Path, plugins: list[str]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=2)
        self._processes: set[subprocess.Popen[str]] = set()
        self._demos: dict[str, Future[Demo]] = {
            plugin: self._pool.submit(self._train, plugin, folder / plugin) for plugin in plugins
        }

    def demo(self, plugin: str) -> Demo:
        """Wait for a demo."""
        return self._demos[plugin].result()

    def stop(self) -> None:
        """Leave nothing running."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in list(self._processes):
            process.kill()

    def run(self, folder: Path, *arguments: str) -> str:
        """A command's output; it must succeed."""
        process = subprocess.Popen(
            [str(COMMAND), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._processes.add(process)
        out, err = process.communicate()
        self._processes.discard(process)
        assert process.returncode == 0, err
        return out

    def _train(self, plugin: str, folder: Path) -> Demo:
        folder.mkdir(parents=True)
        command = ["train", f"--plugin={plugin}", "--recipe=demo", "--accelerator=cpu"]
        printed = self.run(folder, *command, *DEMOS[plugin])
        (samples,) = [line for line in printed.splitlines() if line.startswith("samples: ")]
        assert (folder / samples.removeprefix("samples: ")).exists()
        report = self.run(folder, "evaluate", f"runs/00001-{plugin}-demo", "--quick", "--json")
        return Demo(folder, json.loads(report))
