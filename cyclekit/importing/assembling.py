"""Imported networks put together: which translates which way, which judges what, in one recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cyclekit.errors import CheckpointError, UsageError
from cyclekit.importing.family import Choices, Family
from cyclekit.importing.reading import Source
from cyclekit.importing.registry import Identified, Offer, identify, without_place
from cyclekit.importing.roles import (
    DOMAINS,
    OTHER,
    WAYS,
    Role,
    ends,
    generator_name,
    judge_name,
    reversed_way,
    role_of,
)
from cyclekit.importing.unwrapping import Found, unwrap

ORIGIN = "the import"
CYCLE = "cycle"
FIRST_WAY = WAYS[0]  # where nothing says which


@dataclass
class Part:
    """An imported network with its place in a run.

    Attributes:
        name: Of the file, and of the network in it.
        source: The file.
        identified: The network.
        role: What its name says.
        dropped: What was left out, in words.
        assumed: What was taken for granted, in words.
    """

    name: str
    source: Source
    identified: Identified
    role: Role
    dropped: list[str]
    assumed: list[str]

    @property
    def family(self) -> Family:
        """Of which family it is."""
        return self.identified.offer.family

    @property
    def architecture(self) -> dict[str, Any]:
        """The recipe's table that describes it."""
        return {"name": self.identified.layout.network, **self.identified.fitted.options}


@dataclass
class Assembly:
    """Everything that was imported, in its place.

    Attributes:
        networks: By their names in a run.
        others: What else the files held, in words.
        conditional: Whether the discriminator is shown the source beside each sample, as pix2pix's.
        objective: Whose networks they are.
    """

    networks: dict[str, Part] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    conditional: bool = False
    objective: str = CYCLE

    @property
    def generators(self) -> dict[str, Part]:
        """By the direction in which they translate."""
        return {
            way: self.networks[generator_name(way)]
            for way in WAYS
            if generator_name(way) in self.networks
        }

    @property
    def offer(self) -> Offer:
        """The plugin that the run belongs to."""
        return next(iter(self.networks.values())).identified.offer

    def channels(self) -> dict[str, int]:
        """Of each domain's tensors."""
        found: dict[str, int] = {}
        for way, part in self.generators.items():
            for domain, channels in zip(ends(way), part.identified.channels, strict=True):
                if found.setdefault(domain, channels) != channels:
                    raise CheckpointError(
                        f"The two generators do not fit together: domain {domain.upper()} has "
                        f"{found[domain]} channels in one and {channels} in the other. Import "
                        f"them into runs of their own."
                    )
        return found


def find_parts(
    sources: Sequence[Source], offers: Sequence[Offer], choices: Choices, asked: str = ""
) -> tuple[list[Part], list[str]]:
    """Find out what files hold.

    Args:
        sources: Files that were read.
        offers: All families.
        choices: What keys do not show.
        asked: The family that a person named.

    Returns:
        The networks, and what else there was, in words.

    Raises:
        CheckpointError: If something is of no known family.
    """
    parts, said = [], []
    for source in sources:
        found, others = unwrap(source.tree, source.name)
        said += [f"{source.name}: {what}" for what in others]
        own = replace(choices, source=source.path)
        for network in found:
            if family := without_place(network.weights, offers):
                said.append(f"{_called(source, network, len(found))}: {_unplaced(family)}")
            else:
                parts.append(_part(source, network, len(found), offers, own, asked))
    return parts, said


def assemble(parts: Sequence[Part], others: Sequence[str], direction: str = "") -> Assembly:
    """Put networks in their places.

    Args:
        parts: Generators and discriminators.
        others: What else there was, in words.
        direction: Of the first generator, as a person says.

    Raises:
        CheckpointError: If they do not fit together.
        UsageError: If names leave open what a person has to say.
    """
    assembly = Assembly(others=list(others), objective=_objective_of(parts))
    generators = [part for part in parts if part.family.kind == "generator"]
    if not generators:
        raise CheckpointError(
            "There is no generator in these files, only what judges them: nothing to translate "
            "with. Name a generator's file as well."
        )
    if assembly.objective == CYCLE:
        _place_generators(assembly, generators, direction)
        _place_judges(assembly, [part for part in parts if part.family.kind == "discriminator"])
    else:
        _place_by_role(assembly, parts, direction)
        _require_alike(generators)
    plugins = {part.identified.offer.plugin for part in assembly.networks.values()}
    if len(plugins) > 1:
        raise UsageError(f"These files are of different plugins: {' and '.join(sorted(plugins))}.")
    return assembly


def recipe_settings(assembly: Assembly) -> Mapping[str, Any]:
    """What the run's recipe says beyond its defaults: dotted keys and their values."""
    if assembly.objective != CYCLE:
        return _settings_by_role(assembly)
    part = next(iter(assembly.generators.values()))
    channels = assembly.channels()
    # Where one generator is missing, its domain is what the other takes or makes.
    a, b = (channels[domain] for domain in DOMAINS)
    settings: dict[str, Any] = {
        "summary": f"Imported: {part.family.summary}",
        "generator": part.architecture,
        **part.identified.layout.settings,
        **(part.family.domain_settings(a, b) if part.family.domain_settings else {}),
    }
    if assembly.conditional:
        (way,) = assembly.generators
        settings |= {"objective.name": "pix2pix", "objective.direction": way}
    elif a != b:
        settings["objective.identity.weight"] = 0.0
    if any(part.role.second for part in assembly.networks.values()):
        settings["objective.second_adversarial.weight"] = 1.0  # else there are none
    judges = [p for p in assembly.networks.values() if p.family.kind == "discriminator"]
    if judges:
        settings["discriminator"] = judges[0].architecture
    return settings


def _settings_by_role(assembly: Assembly) -> Mapping[str, Any]:
    """Those of an objective whose networks are told by their families.

    Raises:
        CheckpointError: If two networks ask for different runs.
    """
    settings: dict[str, Any] = {"objective.name": assembly.objective}
    for part in assembly.networks.values():
        family, layout = part.family, part.identified.layout
        wanted = dict(layout.settings)
        if family.table:
            wanted |= {
                f"{family.table}.{key}": v for key, v in part.identified.fitted.options.items()
            }
        else:
            wanted[family.kind] = part.architecture
        if family.kind == "generator":
            settings.setdefault("summary", f"Imported: {family.summary}")
        for key, value in wanted.items():
            if settings.setdefault(key, value) != value:
                raise CheckpointError(
                    f"{part.name} does not go together with the others: {key} would be {value!r}, "
                    f"and is {settings[key]!r}. Import it into a run of its own."
                )
    return settings


def _called(source: Source, found: Found, of: int) -> str:
    place = ".".join(found.place)
    return f"{source.name}, {place}" if place and of > 1 else source.name


def _unplaced(family: Family) -> str:
    return f"{family.summary}: {family.left_out}"


def _part(
    source: Source,
    found: Found,
    of: int,
    offers: Sequence[Offer],
    choices: Choices,
    asked: str,
) -> Part:
    name = _called(source, found, of)
    # --as names the generators' family; what stands beside them is told from its keys.
    beside = [offer for offer in offers if offer.family.kind in ("discriminator", "own")]
    only = [offer for offer in beside if offer.family.recognises(found.weights)]
    identified = identify(found.weights, name, offers, choices, "" if asked and only else asked)
    role = role_of(".".join(found.place)) if of > 1 else role_of(source.name)
    fitted = identified.fitted
    return Part(
        name,
        source,
        identified,
        role,
        [*found.dropped, *fitted.dropped],
        [*found.assumed, *fitted.assumed],
    )


def _place_generators(assembly: Assembly, parts: list[Part], direction: str) -> None:
    if len(parts) > 2:
        raise UsageError(
            f"There are {len(parts)} generators in these files, and a run has two: "
            f"{', '.join(part.name for part in parts)}. Name two of them, one for each direction."
        )
    if len(parts) == 1:
        (part,) = parts
        said = direction or part.role.direction
        if not said:
            part.assumed.append(
                f"it translates {FIRST_WAY} (its name does not say): --direction "
                f"{reversed_way(FIRST_WAY)}"
            )
        elif direction and part.role.direction not in ("", direction):
            part.assumed.append(f"it translates {direction}, though its name says otherwise")
        assembly.networks[generator_name(said or FIRST_WAY)] = part
        return
    for way, part in zip(_ways(parts, direction), parts, strict=True):
        assembly.networks[generator_name(way)] = part
    _require_alike(list(assembly.generators.values()))


def _require_alike(generators: Sequence[Part]) -> None:
    """Refuse two generators of different kinds, for which a recipe has no place.

    Raises:
        CheckpointError: Saying in what they differ.
    """
    one, other = generators[0], generators[-1]
    if one.architecture != other.architecture:
        differing = sorted(
            key
            for key in one.architecture.keys() | other.architecture.keys()
            if one.architecture.get(key) != other.architecture.get(key)
        )
        raise CheckpointError(
            f"{one.name} and {other.name} are built differently ({', '.join(differing)}), and a "
            f"run has one kind of generator. Import them into runs of their own."
        )


def _objective_of(parts: Sequence[Part]) -> str:
    """The objective whose networks all of these are.

    Raises:
        UsageError: If they are of several.
    """
    by_objective = {part.family.objective: part.name for part in parts}
    if len(by_objective) > 1:
        listed = ", ".join(f"{name} ({kind})" for kind, name in by_objective.items())
        raise UsageError(
            f"These networks are not of one problem: {listed}. Import them into runs of their own."
        )
    return next(iter(by_objective), CYCLE)


def _place_by_role(assembly: Assembly, parts: Sequence[Part], direction: str) -> None:
    """Networks of which each family has one place."""
    if direction:
        raise UsageError(f"--direction {direction}: the keys of {parts[0].name} say which way.")
    for part in parts:
        there = assembly.networks.setdefault(part.family.role, part)
        if there is not part:
            raise UsageError(
                f"{there.name} and {part.name} are both {part.family.summary}. Name one of them."
            )


def _ways(parts: Sequence[Part], direction: str) -> tuple[str, ...]:
    """Which way each of two generators translates."""
    said = [part.role.direction for part in parts]
    if sorted(said) == sorted(WAYS) and not direction:
        return tuple(said)
    if direction or not any(said):
        first = direction or FIRST_WAY
        parts[0].assumed.append(
            f"{parts[0].name} translates {first} and {parts[1].name} the other way (in the order "
            f"in which they were named): --direction {reversed_way(first)}"
        )
        return first, reversed_way(first)
    if all(said):
        raise UsageError(
            f"By their names {parts[0].name} and {parts[1].name} both translate {said[0]}. Name "
            f"one for each direction, or say with --direction which way the first one translates."
        )
    known = said[0] or reversed_way(said[1])
    return known, reversed_way(known)


def _place_judges(assembly: Assembly, parts: list[Part]) -> None:
    """Discriminators by the domain that they judge; those that do not fit are left out, named."""
    channels = assembly.channels()
    first: Part | None = None
    for part in parts:
        domain = part.role.domain
        if domain and part.family.judges_results:
            domain = OTHER[domain]
            part.assumed.append(f"it judges domain {domain.upper()}, what the first one makes")
        if not domain and len(parts) == 1 and len(assembly.generators) == 1:
            (way,) = assembly.generators
            _, domain = ends(way)  # it was trained against the only generator
            part.assumed.append(f"it judges domain {domain.upper()}, which the generator makes")
        name = judge_name(domain, part.role.second)
        seen = part.identified.channels[0]
        conditional = len(assembly.generators) == 1 and seen == sum(channels.values())
        why = ""
        if not domain:
            why = "its name does not say which domain it judges"
        elif name in assembly.networks:
            why = "there is another for its domain"
        elif seen != channels.get(domain) and not conditional:
            why = f"it sees {seen} channels at once, as where a condition is shown with each sample"
        elif first is not None and part.architecture != first.architecture:
            why = f"it is built otherwise than {first.name}"
        if why:
            assembly.others.append(f"{part.name} ({part.family.summary}): {why}")
            continue
        if conditional:
            assembly.conditional = True
            part.assumed.append("it is shown the source beside each sample, as pix2pix's is")
        first = first or part
        assembly.networks[name] = part
