"""What StarGAN's domains and attributes may be called, and the ways between them."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations

from cyclekit.names import without

RESERVED = ("all", "both", "extra", "mean")
"""Names that mean something else where translations are asked for or judged."""


def faults_of(domains: Sequence[str]) -> Iterator[str]:
    """What is wrong with names of domains, a sentence's middle each."""
    if len(domains) < 2:
        yield (
            f"there is one domain alone, {domains[0]!r}, but it takes two at least; a folder with "
            f"the domains' folders goes by the name of train"
        )
    yield from faults_of_names(domains)
    ways = Counter(called(*ends, domains) or ends for ends in permutations(domains, 2))
    for way, count in ways.items():
        if count > 1:
            yield f"two ways of translating would be called {way!r}: call domains otherwise"


def faults_of_names(domains: Sequence[str]) -> Iterator[str]:
    """The same, whatever there is between them."""
    for name in domains:
        if not name.strip() or not name.isprintable():
            yield f"{name!r:.80} cannot be read as a name"
        if name.casefold() in RESERVED:
            yield f"a domain cannot be called {name!r}, which means something else here"
    alike = Counter(unicodedata.normalize("NFC", name).casefold() for name in domains)
    for name in domains:
        if alike[unicodedata.normalize("NFC", name).casefold()] > 1:
            yield f"two domains are called {name!r}, but for capital letters"


def called(source: str, target: str, domains: Sequence[str]) -> str:
    """A direction's name where the usual one, ``source2target``, might mean two."""
    return f"{source} to {target}" if any("2" in name for name in domains) else ""


def views(attribute: str) -> tuple[str, str]:
    """Domains of what has not an attribute, and of what has it."""
    return without(attribute), attribute
