"""The folder of a run: what is where, and the records that grow in it."""

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from cyclekit.errors import CyclekitError, UsageError
from cyclekit.locks import Held, locked
from cyclekit.plugins.discovery import PluginInfo
from cyclekit.recipe.resolve import flattened, keys, to_toml, with_new_names
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.checkpoint import describe_writer
from cyclekit.runs.checkpoints import Checkpoints
from cyclekit.runs.layout import RunLayout
from cyclekit.runs.records import lines_by_step, to_json, to_lines
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import ASIDE, read_text

RUNS = Path("runs")
LOCK, OWNER = ".lock", ".owner"


class RunDirectory(RunLayout):
    """One run's files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.checkpoints = Checkpoints(self.storage.below(self.checkpoints_folder.name))

    @classmethod
    @contextmanager
    def claim(
        cls, folder: Path | None, plugin: PluginInfo, recipe: Recipe, name: str, device: str
    ) -> Iterator["RunDirectory"]:
        """Make the folder of a new run, own it, and only then write who runs what in it.

        Args:
            folder: Where, or ``None`` for the next number under ``runs/``.
            plugin: The modality's plugin.
            recipe: Resolved.
            name: The recipe's name, for the folder's.
            device: What it runs on.

        Raises:
            UsageError: If ``folder`` already holds a run or anything else.
            CyclekitError: If another process has begun a run in it.
        """
        if folder is None:
            folder = next_number(f"{plugin.name}-{name}")
        run = cls(folder)
        run.require_free()
        run.storage.make()
        with run.owned():
            run.require_free()  # whoever owned it before may have begun a run
            run.describe(plugin, recipe, name, device)
            yield run

    def describe(self, plugin: PluginInfo, recipe: Recipe, name: str, device: str) -> None:
        """Write who runs what in it."""
        about = {"recipe": name, **_environment(recipe, device), **describe_writer(plugin)}
        self.storage.write_text(self.info_file.name, to_json(about))
        self.storage.write_text(self.recipe_file.name, to_toml(recipe))

    def require_free(self, option: str = "--run-dir") -> None:
        """Refuse a folder that holds a run or anything else.

        What a process left that was killed while it claimed the folder is nothing.

        Args:
            option: That names the folder.

        Raises:
            UsageError: Saying which, and how to go on.
        """
        there = {file.name for file in self.folder.iterdir()} if self.folder.is_dir() else set()
        if {self.info_file.name, self.recipe_file.name} <= there:
            raise UsageError(
                f"{self} already holds a run. Continue it with `cyclekit resume {self}`, or name "
                f"another {option}."
            )
        claim = {LOCK, OWNER, self.info_file.name} if {LOCK, OWNER} & there else set()
        if any(not name.startswith(ASIDE) for name in there - claim):
            raise UsageError(f"{self} is not empty. Name a new or empty folder as {option}.")

    def plugin_name(self) -> str:
        """How the run's plugin is looked up again: its name, or the file's path."""
        plugin = self.plugin()
        return plugin["distribution"] if plugin["distribution"].endswith(".py") else plugin["name"]

    def log(self, record: Mapping[str, Any]) -> None:
        """Append a line to ``metrics.jsonl``; only what a rerun would reproduce."""
        self.storage.append_text(self.metrics_file.name, to_lines([record]))

    def log_timing(self, record: Mapping[str, Any]) -> None:
        """Append a line to ``timing.jsonl``."""
        self.storage.append_text(self.timing_file.name, to_lines([record]))

    def log_checkup(self, record: Mapping[str, Any]) -> None:
        """Append a line to ``checkups.jsonl``."""
        self.storage.append_text(self.checkups_file.name, to_lines([record]))

    def log_changes(self, step: int, led_here: Mapping[str, Any], recipe: Recipe) -> None:
        """Write to ``changes.jsonl`` what a recipe has that differs, a line for each key.

        What it says of this step and later ones is forgotten: training goes on from here.

        Args:
            step: From which it holds.
            led_here: The recipe so far, as tables.
            recipe: The one to go on with.
        """
        lines = [line for line, record in lines_by_step(self.changes_file) if record["step"] < step]
        held = flattened(with_new_names(led_here, recipe))
        now = flattened(recipe.model_dump(mode="json"))
        # What a recipe does not say is at its default, also where it is of an older version.
        told = keys(type(recipe), chosen=recipe.model_dump(mode="json"))
        plain = ((key, info.default) for key, info in told)
        defaults = {key: list(d) if isinstance(d, tuple) else d for key, d in plain}  # as in JSON
        for key in sorted(held.keys() | now.keys()):
            before, after = held.get(key, defaults.get(key)), now.get(key)
            if before != after:
                change = {"step": step, "key": key, "before": before, "after": after}
                lines.append(json.dumps(change))
        if lines or self.changes_file.exists():
            self.storage.write_text(self.changes_file.name, "".join(f"{line}\n" for line in lines))

    def forget_after(self, step: int) -> None:
        """Cut the records back to what was known at ``step``."""
        for file in (self.metrics_file, self.timing_file, self.checkups_file):
            if file.exists():
                lines = [line for line, record in lines_by_step(file) if record["step"] <= step]
                self.storage.write_text(file.name, "".join(f"{line}\n" for line in lines))

    def clean(self) -> None:
        """Remove what a killed process left half written."""
        self.storage.clean()
        for name in (self.checkpoints_folder, self.evaluations, self.samples):
            self.storage.below(name.name).clean()
        for storage in (self.cache, self.metrics, self.nonfinite):
            storage.clean(depth=1)  # metrics have folders of their own

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the run while training in it.

        The lock dies with its process, however that ends, and is not inherited by workers.

        Raises:
            CyclekitError: If another process owns it; names it.
        """
        owner = self.folder / OWNER
        self.storage.require_file(LOCK)
        try:
            with locked(self.folder / LOCK, wait=False):
                self.storage.remember()
                self.storage.write_text(OWNER, f"process {os.getpid()} on {platform.node()}\n")
                yield
        except Held as error:
            named = read_text(owner, 1000).strip() if owner.is_file() else "unknown"
            raise CyclekitError(
                f"{self} is in use by another process ({named}). Wait for it or stop it first."
            ) from error


def next_number(name: str) -> Path:
    """Make the next numbered folder; two processes never get the same."""
    try:
        Storage(RUNS).make()
    except OSError as error:
        raise CyclekitError(f"{RUNS} cannot be made: {error.strerror}. Use --run-dir.") from error
    while True:
        taken = [int(m[1]) for p in RUNS.iterdir() if (m := re.match(r"(\d{5})-", p.name))]
        try:
            return Storage(RUNS).make_new(f"{max(taken, default=0) + 1:05d}-{name}")
        except FileExistsError:
            continue


def _environment(recipe: Recipe, device: str) -> dict[str, Any]:
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": recipe.train.seed,
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
