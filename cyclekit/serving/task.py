"""A request on its way through a worker."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INPUT = "input"  # codes follow from names: all that is sent is called alike, before its suffix
EXAMPLE = "example"  # likewise


@dataclass(frozen=True)
class Claim:
    """What a file is said to be by whoever sends it, which need not be true.

    Attributes:
        suffix: With its dot; empty: nothing is said that helps.
        doubted: Whether it is said to be what the run does not take: its content has to tell.
    """

    suffix: str = ""
    doubted: bool = False

    @classmethod
    def of(cls, suffixes: Sequence[str], known: Collection[str]) -> "Claim":
        """That of a file which may be called in several ways.

        Args:
            suffixes: Likewise.
            known: Those that the run takes; none: all.
        """
        fitting = [suffix for suffix in suffixes if not known or suffix in known]
        return cls(fitting[0]) if fitting else cls(doubted=bool(known))


@dataclass(frozen=True)
class Wish:
    """How a file is translated. Files with equal wishes go through the networks together.

    Attributes:
        direction: One of the run's; or several that set attributes, separated by commas.
        checkpoint: ``latest``, ``best`` or a step.
        format: One of the codec's; ``None``: its first.
        seed: Latent codes follow from it.
        attributes: Those that the file's item has, of a run that knows some.
        show: Whether pictures and sounds for a page are made as well.
        back: Whether these have the way back, too.
        samples: How many answers these have.
    """

    direction: str
    checkpoint: str = "latest"
    format: str | None = None
    seed: int = 0
    attributes: tuple[str, ...] | None = None
    show: bool = False
    back: bool = False
    samples: int = 1


def ways_of(direction: str, known: Collection[str]) -> list[str]:
    """The directions that a wish's ``direction`` names, one or several.

    Args:
        direction: Likewise.
        known: The run's. A name of one may have commas itself.
    """
    return [direction] if direction in known else direction.split(",")


@dataclass
class Task:
    """One file's way through a worker.

    Attributes:
        name: Nobody can foresee it; the task's folder is called so.
        folder: For this task alone.
        file: What was sent, in that folder.
        wish: What is to be done.
        like: An example in that folder, whose code is taken.
        outcome: What became of it: see ``Translated``.
        progress: How much of how much is done, where that is known.
        alone: Whether it goes by itself, since others were with it when a worker was killed.
        doubted: Files whose content has to tell that the run takes them.
    """

    name: str
    folder: Path
    file: Path
    wish: Wish
    like: Path | None = None
    outcome: "Future[Translated]" = field(default_factory=Future)
    progress: tuple[int, int] = (0, 0)
    alone: bool = False
    doubted: list[Path] = field(default_factory=list)

    def place(self, name: str, claim: Claim) -> Path:
        """Where a file goes that is said to be something."""
        place = self.folder / (name + claim.suffix)
        if claim.doubted:
            self.doubted.append(place)
        return place


@dataclass(frozen=True)
class Translated:
    """What a worker wrote.

    Attributes:
        file: The translation.
        step: Of the checkpoint that made it.
        seconds: They were.
        views: What a page shows: for each thing ``kind``, ``title`` and ``file``.
    """

    file: Path
    step: int
    seconds: float
    views: list[Mapping[str, Any]] = field(default_factory=list)
