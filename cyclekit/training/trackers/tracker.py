"""What every tracker does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cyclekit.contract.previews import Media
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory


@dataclass(frozen=True)
class Start:
    """What a tracker starts with.

    Attributes:
        run: The run.
        step: Where training goes on.
        recipe: Resolved.
        stopped: Told what went wrong in a thread of the tracker's own.
    """

    run: RunDirectory
    step: int
    recipe: Recipe
    stopped: Callable[[BaseException], None]


class Tracker(Protocol):
    """Shows how a training goes. Whatever it raises costs only itself."""

    def scalars(self, named: Mapping[str, float], step: int) -> None:
        """Show values, named ``group/name``."""

    def media(self, media: Sequence[Media], step: int) -> None:
        """Show what can be shown or played; the files are there during the call alone."""

    def flush(self) -> None:
        """Write everything out."""

    def close(self) -> None:
        """Write everything out and let go of it."""
