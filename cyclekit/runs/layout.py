"""What is where in the folder of a run; whoever only reads files needs no torch for it."""

from pathlib import Path
from typing import Self

from cyclekit.errors import CheckpointError
from cyclekit.runs.records import read_json, require_writer
from cyclekit.storage.folder import Storage

MANIFEST = "checkpoint.json"
TRIES = 25  # to read what a training writes and removes meanwhile


class RunLayout:
    """The places of one run's files.

    Attributes:
        storage: Through which everything is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = Storage(folder)
        self.checkpoints_folder = folder / "checkpoints"
        self.samples = folder / "samples"
        self.data = folder / "data"
        self.evaluations = folder / "evaluations"
        self.cache = self.storage.below("cache")
        self.metrics = self.storage.below("metrics")
        self.nonfinite = self.storage.below("nonfinite")
        self.recipe_file = folder / "recipe.toml"
        self.plan_file = folder / "plan.toml"
        self.info_file = folder / "run.json"
        self.metrics_file = folder / "metrics.jsonl"
        self.timing_file = folder / "timing.jsonl"
        self.changes_file = folder / "changes.jsonl"
        self.plans_file = folder / "plans.jsonl"
        self.checkups_file = folder / "checkups.jsonl"
        self.skipped_file = folder / "skipped.txt"
        self.files_file = folder / "files.jsonl"
        self.preview_file = folder / "preview.json"
        self.import_file = folder / "import.json"

    def __str__(self) -> str:
        return str(self.folder)

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """An existing run.

        Raises:
            CheckpointError: If the folder is none; says what a run is.
        """
        run = cls(Path(folder))
        if not run.info_file.is_file() or not run.recipe_file.is_file():
            why = "is no run" if run.folder.exists() else "does not exist"
            raise CheckpointError(
                f"{folder} {why}: expected a folder that `cyclekit train` made, with run.json and "
                f"recipe.toml in it. `cyclekit runs list` shows yours."
            )
        return run

    def plugin(self) -> dict[str, str]:
        """Name, distribution and version of the plugin that the run was made with."""
        return require_writer(read_json(self.info_file), self.info_file)


def step_name(step: int) -> str:
    """How what belongs to a step is called."""
    return f"step-{step:08d}"


def step_folders(parent: Path) -> dict[int, Path]:
    """The folders ``step-00000060`` in ``parent`` by their step, in order."""
    found = [p for p in parent.glob("step-*") if p.is_dir() and not p.is_symlink()]
    steps = {int(path.name[5:]): path for path in found if path.name[5:].isdecimal()}
    return dict(sorted(steps.items()))
