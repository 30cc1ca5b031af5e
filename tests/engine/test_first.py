"""What rank 0 does alone ends every rank where it fails."""

from typing import Any

import pytest

from cyclekit.engine.fabric import on_first
from cyclekit.errors import CyclekitError, UsageError


class Ranks:
    """A fabric of two ranks, one after the other; what rank 0 broadcast reaches rank 1."""

    world_size = 2
    is_global_zero = True
    told: Any = None

    def broadcast(self, own: Any) -> Any:
        if self.is_global_zero:
            self.told = own
        return self.told


def test_the_others_get_the_result() -> None:
    ranks: Any = Ranks()
    assert on_first(ranks, lambda: "made") == "made"
    ranks.is_global_zero = False
    assert on_first(ranks, lambda: pytest.fail("rank 1 has nothing to do")) == "made"


def test_the_others_end_with_its_error() -> None:
    def fails() -> None:
        raise UsageError("no such folder")

    ranks: Any = Ranks()
    with pytest.raises(UsageError):
        on_first(ranks, fails)
    ranks.is_global_zero = False
    with pytest.raises(CyclekitError, match="no such folder") as raised:
        on_first(ranks, fails)
    assert raised.value.exit_code == 2
