"""What a line of ``files.jsonl`` says about a training file."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyclekit.runs.layout import RunLayout
from cyclekit.runs.records import json_lines

Natural = Annotated[int, Field(ge=0, lt=2**63)]


class FileRecord(BaseModel):
    """A training file.

    Attributes:
        file: Its path.
        domain: That it belongs to.
        windows: How many it gave.
        bytes: Its size, where that was known.
        modified: When it was changed, in nanoseconds.
    """

    model_config = ConfigDict(strict=True, extra="ignore")

    file: str
    domain: Annotated[str, Field(max_length=50)]
    windows: Natural
    bytes: Natural | None = None
    modified: int = 0


def read_files(run: RunLayout) -> Iterator[FileRecord]:
    """What a run's training files were; damaged lines are left out."""
    for _, told in json_lines(run.files_file):
        try:
            yield FileRecord.model_validate(told)
        except ValidationError:
            continue
