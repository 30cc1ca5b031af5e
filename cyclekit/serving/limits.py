"""What a request may take, and why one is turned away."""

from dataclasses import dataclass

from cyclekit.errors import CyclekitError

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """What a service grants.

    Attributes:
        bytes: Of a file that is sent.
        positions: Of what networks see of it: pixels, frames times bands, steps times pitches.
        seconds: A request's body may take, and its translation once it is begun.
        memory: Bytes that a worker may hold, its networks included; where the system says how much
            that is (Linux).
        queue: Requests that may wait for a run.
    """

    bytes: int = 64 * MEBIBYTE
    positions: int = 2**24
    seconds: float = 60.0
    memory: int = 4096 * MEBIBYTE
    queue: int = 32

    @property
    def bodies(self) -> int:
        """How many files may be on their way at once: slow ones must not fill the queue."""
        return 4 * self.queue


class Refusal(CyclekitError):  # noqa: N818 - it is what happened
    """A request that was not, or not wholly, done.

    Args:
        status: HTTP's word for it.
        said: What was expected, what was found, what to do.
        retry_after: Seconds after which it may be done, where waiting helps.
    """

    def __init__(self, status: int, said: str, retry_after: int | None = None) -> None:
        super().__init__(said)
        self.status = status
        self.retry_after = retry_after


def busy(said: str) -> Refusal:
    """There is no room just now."""
    return Refusal(503, said, retry_after=2)
