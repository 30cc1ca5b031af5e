"""What a check is: a name, the checks it builds on, and a function that finds fault."""

from collections.abc import Callable
from dataclasses import dataclass

from cyclekit.testing.subject import Subject

Finding = Callable[[Subject], None]


@dataclass(frozen=True)
class Check:
    """A rule of the contract.

    Attributes:
        name: Short.
        needs: Names of the checks without which this one makes no sense.
        find: Raises ``Fault`` if the rule is broken.
    """

    name: str
    needs: tuple[str, ...]
    find: Finding


CHECKS: dict[str, Check] = {}


def check(name: str, *needs: str) -> Callable[[Finding], Finding]:
    """Register a function as a check; those that it needs come before it."""
    assert all(need in CHECKS for need in needs), name

    def register(find: Finding) -> Finding:
        CHECKS[name] = Check(name, needs, find)
        return find

    return register
