"""What ``checkpoint.json`` holds: who wrote the checkpoint, and the checksums of its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyclekit.describe import describe_exception
from cyclekit.errors import CheckpointError
from cyclekit.runs.layout import MANIFEST, step_name
from cyclekit.runs.records import LARGEST_STEP, read_json

FORMAT = 3
OLD = 2  # cyclekit 0.1's, with its state in a pickle
READABLE = (OLD, FORMAT)

Text = Annotated[str, Field(max_length=500)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$")]
Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """Takes nothing for what it is not; what later versions may add is left alone."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Writer(Strict):
    """The plugin that a run was made with."""

    name: Text
    distribution: Annotated[str, Field(max_length=4096)]
    version: Text


class Manifest(Strict):
    """The content of ``checkpoint.json``.

    Attributes:
        format: Of the checkpoint.
        step: Steps that were done.
        cyclekit: The version that wrote it.
        plugin: With which it was written.
        evaluation: Figures by direction, where the step was evaluated.
        unmeasured: Whether it should have been, and something went wrong.
        protocol: How these were computed: a line by metric.
        ranks: How many there were.
        global_batch: Samples of each domain in a step.
        files: SHA-256 of each file, by its name.
    """

    format: int
    step: Annotated[int, Field(ge=0, lt=LARGEST_STEP)]
    cyclekit: Text
    plugin: Writer
    evaluation: dict[str, dict[str, float]] = {}
    protocol: dict[str, str] = {}
    unmeasured: bool = False
    ranks: Annotated[int, Field(ge=1, le=2**20)]
    global_batch: Annotated[int, Field(ge=1, le=2**30)]
    files: Annotated[dict[FileName, Checksum], Field(min_length=1, max_length=10_000)]


def read_manifest(folder: Path) -> Manifest:
    """What a checkpoint says about itself.

    Raises:
        CheckpointError: If it is damaged, or of a format that this version does not read.
    """
    file = folder / MANIFEST
    content = read_json(file)
    require_format(content, folder)
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise CheckpointError(f"{file} is damaged: {describe_exception(error)[:300]}.") from error
    if folder.name.startswith("step-") and folder.name != step_name(manifest.step):
        raise CheckpointError(f"{file} is damaged: it says step {manifest.step}.")
    return manifest


def require_format(content: Mapping[str, Any], folder: Path) -> None:
    """Refuse what another version of cyclekit wrote, naming it.

    Raises:
        CheckpointError: If it is in another format.
    """
    if content.get("format") not in READABLE:
        raise CheckpointError(
            f"{folder} has checkpoint format {content.get('format')!r:.20}; this cyclekit reads "
            f"{' and '.join(map(str, READABLE))}. Use the version that wrote it: cyclekit "
            f"{content.get('cyclekit', '?')!s:.40}."
        )
