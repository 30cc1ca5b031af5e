"""Checksums of archives whose authors publish none: the first one that was seen counts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cyclekit.errors import DataError
from cyclekit.remembered import Remembered

CHECKSUMS = Remembered("archives.json")


@dataclass(frozen=True)
class KnownChecksum:
    """What is remembered of an archive.

    Attributes:
        key: Of the plugin and the archive's name.
        sha256: The checksum; ``None`` where it has not been seen yet.
        date: When it was seen.
    """

    key: str
    sha256: str | None
    date: str = ""

    @classmethod
    def find(cls, plugin: str, file: str) -> "KnownChecksum":
        """What is remembered of an archive of a plugin's catalogue."""
        key = f"{plugin}/{file}"
        told = CHECKSUMS.read().get(key)
        if isinstance(told, dict) and isinstance(told.get("sha256"), str):
            return cls(key, told["sha256"], str(told.get("date", "")))
        return cls(key, None)

    def require(self, digest: str, file: str) -> None:
        """Refuse an archive that was another one when it was first seen.

        Raises:
            DataError: Saying how to accept it.
        """
        if self.sha256 not in (None, digest):
            raise DataError(
                f"{file} is not what it was on {self.date}: its SHA-256 is {digest}, it was "
                f"{self.sha256}. Its authors publish no checksum to compare with. If you know that "
                f"they changed it: --sha256 {digest}"
            )

    def remember(self, digest: str, say: Callable[[str], None]) -> None:
        """From now on this is the archive's checksum; said where it is the first one."""
        if digest == self.sha256:
            return
        if self.sha256 is None:
            say(
                f"The authors of {self.key.partition('/')[2]} publish no checksum: {digest} is "
                f"remembered from now on."
            )
        today = datetime.now(UTC).date().isoformat()
        CHECKSUMS.keep(self.key, {"sha256": digest, "date": today})
