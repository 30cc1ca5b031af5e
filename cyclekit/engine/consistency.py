"""Whether what an objective states fits together: said before training, in one sentence."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from torch import nn

from cyclekit.engine.objective import Objective
from cyclekit.errors import PluginError
from cyclekit.names import EXTRA

LONGEST = 50  # characters of a domain's name


def require_consistent(objective: Objective, networks: Mapping[str, nn.Module]) -> None:
    """Refuse an objective whose statements contradict each other.

    Raises:
        PluginError: Naming the first contradiction.
    """
    for fault in _faults(objective, networks):
        raise PluginError(f"Objective {objective.name!r} is not sound: {fault}.")


def _faults(objective: Objective, networks: Mapping[str, nn.Module]) -> Iterator[str]:
    yield from _faults_of_names(objective)
    yield from _faults_of_streams(objective)
    for phase in objective.phases:
        if not phase.trains:
            yield f"phase {phase.name!r} trains nothing"
        if phase.every < 1:
            yield f"phase {phase.name!r} has every={phase.every}; it must be 1 or more"
        yield from _unknown(f"phase {phase.name!r} trains", phase.trains, networks)
    for direction in objective.directions:
        what = f"direction {direction.name!r}"
        yield from _unknown(f"{what} is between", direction.ends, objective.domains)
        called = (*direction.networks, *direction.coding)
        yield from _unknown(f"{what} calls", called, networks)
        if not direction.networks:
            yield f"{what} names no network that it calls"


def _faults_of_names(objective: Objective) -> Iterator[str]:
    for what, names in (
        ("domains", objective.domains),
        ("phases", [phase.name for phase in objective.phases]),
        ("directions", [direction.name for direction in objective.directions]),
    ):
        if not names:
            yield f"it has no {what}"
        for name, count in Counter(names).items():
            if count > 1:
                yield f"two of its {what} are called {name!r}"
    for domain in objective.domains:
        odd = not domain or len(domain) > LONGEST or {*domain} & {*"/\\\0"}
        if odd or domain in (EXTRA, ".", ".."):
            yield f"{domain!r:.80} cannot be the name of a domain"


def _faults_of_streams(objective: Objective) -> Iterator[str]:
    streams = objective.streams
    further = (name for stream in streams.values() for name in (stream.label, stream.target))
    names = [*streams, *filter(None, further)]
    if not streams:
        yield "it has no streams"
    for name, count in Counter(names).items():
        if count > 1:
            yield f"two entries of a batch are called {name!r}"
    for name, stream in streams.items():
        yield from _unknown(
            f"stream {name!r} draws from", stream.domains, {*objective.domains, EXTRA}
        )
        if not {*stream.domains} - {EXTRA}:
            yield f"stream {name!r} draws from no domain"
        if not stream.drawn_with:
            continue
        leader = streams.get(stream.drawn_with)
        if leader is None or leader.drawn_with:
            yield (
                f"stream {name!r} is drawn with {stream.drawn_with!r}, which is no stream that is "
                f"drawn by itself"
            )
        elif len(stream.domains) != 1 or len(leader.domains) != 1:
            yield f"streams {name!r} and {stream.drawn_with!r} must be of one domain each"


def _unknown(what: str, names: Collection[str], known: Collection[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{what} {name!r}, which is none of {', '.join(sorted(known))}"
