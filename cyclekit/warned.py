"""What a plugin's code warns of, passed on to a person, each thing once."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Told:
    """Remembers what a person was told.

    Args:
        tell: Shows a message.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def once(self, message: str) -> None:
        """Tell it, unless it was told before."""
        if message not in self._told:
            self._tell(message)
            self._told.add(message)

    @contextmanager
    def passing_on(self) -> Iterator[None]:
        """Tell what is warned of meanwhile (``warnings.warn``), in place of Python's own lines."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", category=UserWarning)
            yield
        for warning in caught:
            self.once(str(warning.message))
