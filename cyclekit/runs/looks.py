"""The lines of ``checkups.jsonl``: what was seen of a training that may go wrong."""

from dataclasses import dataclass
from typing import Any

from cyclekit.runs.layout import RunLayout
from cyclekit.runs.records import lines_by_step

Found = tuple[str, str]
"""A symptom's name, and the direction or discriminator that shows it."""


@dataclass(frozen=True)
class Look:
    """One line.

    Attributes:
        step: After which it was taken.
        figures: By direction or discriminator.
        found: Symptoms that these show.
        said: Those that a person was then told.
    """

    step: int
    figures: dict[str, dict[str, float]]
    found: list[Found]
    said: list[Found]


def read_looks(run: RunLayout) -> list[Look]:
    """A run's lines; anything in them that is not as it was written is left out."""
    return [
        Look(
            record["step"],
            _figures(record.get("figures")),
            _pairs(record.get("found")),
            _pairs(record.get("said")),
        )
        for _, record in lines_by_step(run.checkups_file)
    ]


def _figures(told: Any) -> dict[str, dict[str, float]]:
    entries = told.items() if isinstance(told, dict) else ()
    return {
        where: {name: value for name, value in of.items() if type(value) is float}
        for where, of in entries
        if isinstance(of, dict)
    }


def _pairs(told: Any) -> list[Found]:
    pairs = told if isinstance(told, list) else []
    of_texts = (p for p in pairs if isinstance(p, list) and list(map(type, p)) == [str, str])
    return [(name, where) for name, where in of_texts]
