"""What a network's name says: from which domain to which it translates, or which it judges.

All of these networks are of the cycle objective, and so are the names that they get here.
"""

import re
from dataclasses import dataclass

DOMAINS = ("a", "b")
OTHER = {"a": "b", "b": "a"}
WAYS = ("a2b", "b2a")

_END = r"(?![A-Za-z0-9])"
_GENERATOR = r"(?:(?<![A-Za-z])(?:net_?)?G|gen(?:erator)?)_?"
_WAYS = {
    "a2b": rf"A_?2_?B{_END}|A_?to_?B{_END}|{_GENERATOR}AB{_END}|{_GENERATOR}A{_END}",
    "b2a": rf"B_?2_?A{_END}|B_?to_?A{_END}|{_GENERATOR}BA{_END}|{_GENERATOR}B{_END}",
}
_JUDGES = rf"(?:(?<![A-Za-z])(?:net_?)?D|disc(?:riminator)?)_?([AB])(2?){_END}"
# junyanz calls the judge of G_A's results D_A, and these are B's.
_JUDGES_OF_RESULTS = r"(?<![A-Za-z])net_D_([AB])"


def ends(way: str) -> tuple[str, str]:
    """Source and target of a direction."""
    source, _, target = way.partition("2")
    return source, target


def reversed_way(way: str) -> str:
    """The direction back."""
    source, target = ends(way)
    return f"{target}2{source}"


def generator_name(way: str) -> str:
    """What the objective calls the generator of a direction."""
    return f"generator_{way}"


def judge_name(domain: str, second: bool) -> str:
    """What the objective calls a discriminator."""
    return f"{'second_' if second else ''}discriminator_{domain}"


@dataclass(frozen=True)
class Role:
    """What a name says.

    Attributes:
        direction: ``a2b`` or ``b2a``, of a generator.
        domain: That a discriminator judges.
        second: Whether it is one of CycleGAN-VC2's further discriminators, of cycled samples.
    """

    direction: str = ""
    domain: str = ""
    second: bool = False


def role_of(name: str) -> Role:
    """What a file's name, or a network's in it, says; nothing where it says neither or both."""
    ways = [way for way, words in _WAYS.items() if re.search(words, name, re.IGNORECASE)]
    direction = ways[0] if len(ways) == 1 else ""
    judge = re.search(_JUDGES, name, re.IGNORECASE)
    if judge is None:
        return Role(direction)
    domain = judge[1].lower()
    if re.search(_JUDGES_OF_RESULTS, name):
        domain = OTHER[domain]
    return Role(direction, domain, bool(judge[2]))
