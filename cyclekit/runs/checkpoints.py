"""The ``checkpoints`` folder of a run: written aside, found by name or step, pruned."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from cyclekit.errors import CheckpointError, CyclekitError, UsageError
from cyclekit.links import pointed_at
from cyclekit.runs.checkpoint import AVERAGED, CODEC, RECIPE, STATE, Checkpoint, as_saved, plain
from cyclekit.runs.layout import MANIFEST, TRIES, step_folders, step_name
from cyclekit.runs.manifest import FORMAT, read_manifest
from cyclekit.runs.records import to_json
from cyclekit.storage.folder import Storage
from cyclekit.storage.tree import save_tree

LATEST, BEST = "latest", "best"
PAUSE = 0.02  # seconds between tries

State = dict[str, Any]


class Checkpoints:
    """The checkpoints of a run.

    Args:
        storage: Their folder.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.folder = storage.path

    def all(self) -> dict[int, Path]:
        """The folders of complete checkpoints by their step, oldest first."""
        return step_folders(self.folder)

    def open(self, which: str) -> Checkpoint:
        """``latest``, ``best`` or a step number.

        While another process trains in the run it may remove what was just found: then the next
        one that the name stands for is taken.

        Raises:
            CheckpointError: If there is none such, or it is damaged; lists what there is.
        """
        for _ in range(TRIES):
            folder = None
            try:
                folder = self.find(which)
                return Checkpoint(folder)
            except CheckpointError:
                # Between a name that was read and its folder: the name stands for another by now.
                lost = folder is None and os.path.lexists(self.folder / which)
                if which.isdecimal() or not (lost or (folder and not _is_complete(folder))):
                    raise
            time.sleep(PAUSE)
        return Checkpoint(self.find(which))

    def find(self, which: str) -> Path:
        """The folder of ``latest``, ``best`` or a step number.

        Raises:
            CheckpointError: If there is none such; lists what there is.
        """
        numbered = which.isdecimal() and len(which) < 16
        name = step_name(int(which)) if numbered else which
        if numbered or which in (LATEST, BEST):
            folder = pointed_at(self.folder / name)
            if folder is not None and folder.name == which:
                # A run that was copied with its links followed: look up what the copy is of.
                folder = self.folder / step_name(read_manifest(folder).step)
            if folder is not None and folder.is_dir():
                return folder
        everything = self.all()
        if which == LATEST and everything:
            return list(everything.values())[-1]  # the one that the link named was removed
        if not which.isdecimal() and which not in (LATEST, BEST):
            raise UsageError(
                f"No checkpoint {which[:40]!r}: expected {LATEST}, {BEST} or a step such as 5000."
            )
        if not everything:
            raise CheckpointError(f"{self.folder.parent} has no checkpoint yet.")
        hint = " `best` exists once the run has evaluated (train.evaluate_every)."
        raise CheckpointError(
            f"No checkpoint {which[:40]!r} in {self.folder}. There are: latest, "
            f"{', '.join(map(str, everything))}.{hint if which == BEST else ''}"
        )

    def best_step(self) -> int | None:
        """The step of the best one by ``train.best``, where the run has evaluated."""
        if pointed_at(self.folder / BEST) is None:
            return None
        with self.open(BEST) as best:
            return best.step

    def write(
        self,
        step: int,
        networks: Mapping[str, nn.Module],
        averaged: Mapping[str, nn.Module],
        state: State,
        about: Mapping[str, Any],
        recipe: str,
    ) -> Path:
        """Write a checkpoint aside, then move it into place and point ``latest`` at it.

        Args:
            step: Steps that are done.
            networks: By name.
            averaged: Their moving averages.
            state: What ``Checkpoint.read_state`` and, under ``codec``, ``read_codec`` return; of
                networks that were not trained here the latter alone.
            about: The rest of its manifest.
            recipe: As text.

        Raises:
            CyclekitError: If it cannot be written, as on a full disk; the one before it is intact.
        """
        with self._explaining(step), self._storage.aside() as aside:
            made = aside.make(step_name(step))
            for name, network in networks.items():
                save_file(as_saved(network), made / f"{name}.safetensors")
            for name, network in averaged.items():
                save_file(as_saved(network), made / f"{name}{AVERAGED}.safetensors")
            save_file({key: plain(value) for key, value in state["codec"].items()}, made / CODEC)
            if training := {key: part for key, part in state.items() if key != "codec"}:
                save_tree(training, made / STATE)
            (made / RECIPE).write_text(recipe, encoding="utf-8")
            files = {file.name: _checksum(file) for file in sorted(made.iterdir())}
            about = {"format": FORMAT, "step": step, **about, "files": files}
            (made / MANIFEST).write_text(to_json(about), encoding="utf-8")
            kept = aside.keep(made.name)
            self.point(LATEST, kept)
            return kept

    @contextmanager
    def _explaining(self, step: int) -> Iterator[None]:
        """Turn a failure to write into advice."""
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            older = [done for done in self.all() if done < step]
            kept = f"The one of step {older[-1]} is intact" if older else "There is none before it"
            raise CyclekitError(
                f"The checkpoint of step {step} cannot be written to {self.folder}: {error}. "
                f"{kept}; make room and go on with: cyclekit resume {self.folder.parent}"
            ) from error

    def point(self, name: str, checkpoint: Path) -> None:
        """Make ``latest`` or ``best`` stand for a checkpoint, at once or not at all."""
        self._storage.point(name, checkpoint.name)

    def settle(self, best: int | None, keep: int) -> None:
        """Do what a process that was killed after it wrote a checkpoint still owes.

        Args:
            best: The step of the best one, as far as is known.
            keep: How many to keep beside it.
        """
        there = self.all()
        if best in there and pointed_at(self.folder / BEST) != there[best]:
            self.point(BEST, there[best])
        self.prune(keep)

    def prune(self, keep: int) -> None:
        """Remove all but the newest ``keep`` and whatever ``latest`` and ``best`` name."""
        named = {pointed_at(self.folder / name) for name in (LATEST, BEST)}
        for folder in list(self.all().values())[:-keep]:
            if folder not in named:
                self._storage.remove(folder.name)


def _is_complete(folder: Path) -> bool:
    """Whether all is there that a checkpoint lists, so that nobody has begun to remove it."""
    try:
        return all((folder / name).exists() for name in read_manifest(folder).files)
    except CheckpointError:
        return folder.is_dir()


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
