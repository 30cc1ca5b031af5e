"""Which family a network belongs to: one that its keys fit wholly, or the nearest, named."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cyclekit.contract.modality import Modality
from cyclekit.contract.network import Network
from cyclekit.errors import CheckpointError, UsageError, suggest
from cyclekit.importing.family import Choices, Family, Layout, Weights
from cyclekit.importing.fitting import Fitted, Misfit, expected_keys, fit, listed


@dataclass(frozen=True)
class Offer:
    """A family, and the modality whose networks it is imported into."""

    plugin: str
    modality: Modality
    family: Family


@dataclass(frozen=True)
class Identified:
    """A network of a known family, loaded.

    Attributes:
        offer: Its family.
        layout: How it is built.
        fitted: Its weights by the names here.
    """

    offer: Offer
    layout: Layout
    fitted: Fitted

    @property
    def channels(self) -> tuple[int, int]:
        """Of what it takes and of what it makes; a discriminator makes nothing of its own."""
        target = self.layout.target or self.layout.source
        return self.layout.source.channels - self.layout.extra, target.channels


def identify(
    weights: Weights, name: str, offers: Sequence[Offer], choices: Choices, asked: str = ""
) -> Identified:
    """Find the family of a network, and load it.

    Args:
        weights: By the peer's names.
        name: Of the file, and of the network in it, for messages.
        offers: All families.
        choices: What keys do not show.
        asked: The family that a person named.

    Raises:
        UsageError: If there is no family called ``asked``.
        CheckpointError: If there is none that fits, or several; says which comes nearest.
    """
    matching = _named(asked, offers) if asked else _recognising(weights, offers)
    refused = [offer.family for offer in matching if offer.family.refusal]
    if refused:
        raise CheckpointError(f"{name}: {refused[0].summary}: {refused[0].refusal}.")
    if not matching:
        raise CheckpointError(f"{name}: no known network has its keys. {_nearest(weights, offers)}")
    if len(matching) > 1:
        names = " and ".join(offer.family.name for offer in matching)
        raise CheckpointError(f"{name} looks like {names}. Say which with --as.")
    (offer,) = matching
    try:
        return _fitted(offer, weights, choices)
    except Misfit as misfit:
        raise CheckpointError(
            f"{name} is not quite {offer.family.name} ({offer.family.summary}): {misfit}. It may "
            f"be a fork of it, or damaged; nothing was imported."
        ) from misfit


def without_place(weights: Weights, offers: Sequence[Offer]) -> Family | None:
    """The family of a network for which a run has no place (``Family.left_out``), if it is one."""
    families = (offer.family for offer in offers if offer.family.left_out)
    return next((family for family in families if family.recognises(weights)), None)


def _fitted(offer: Offer, weights: Weights, choices: Choices) -> Identified:
    layout = _layout(offer.family, weights, choices)
    _require_answers(layout, choices)
    return Identified(offer, layout, fit(layout, _network(offer, layout), weights, choices))


def _named(asked: str, offers: Sequence[Offer]) -> list[Offer]:
    named = [offer for offer in offers if offer.family.name == asked]
    if not named:
        known = [offer.family.name for offer in offers if not offer.family.refusal]
        raise UsageError(f"--as {asked}: there is no such family. {suggest(asked, known)}")
    return named


def _recognising(weights: Weights, offers: Sequence[Offer]) -> list[Offer]:
    """Families whose form the keys have; those that are refused come first."""
    found = [offer for offer in offers if offer.family.recognises(weights)]
    return [offer for offer in found if offer.family.refusal] or found


def _layout(family: Family, weights: Weights, choices: Choices) -> Layout:
    if family.layout is None:
        raise Misfit("it is known, but not imported")
    try:
        return family.layout(weights, choices)
    except KeyError as error:
        raise Misfit(f"{error.args[0]} is missing") from error
    except (LookupError, ValueError) as error:
        raise Misfit(str(error.args[0]) if error.args else "its keys cannot be read") from error


def _require_answers(layout: Layout, choices: Choices) -> None:
    """Refuse a choice that a generator leaves no room for: it would do nothing.

    Raises:
        UsageError: Saying which.
    """
    if layout.target is None:
        return
    if choices.dropout_on and layout.dropout is False:
        raise UsageError("--dropout-on: the keys show that there is no dropout.")
    if choices.padding and "padding_at" not in layout.options:
        raise UsageError("--padding: the keys leave no border open.")


def _network(offer: Offer, layout: Layout) -> Network:
    if offer.family.network:
        return offer.family.network
    modality = offer.modality
    known = modality.discriminators if layout.target is None else modality.generators
    found = [network for network in known if network.name == layout.network]
    if not found:
        raise Misfit(f"plugin {offer.plugin!r} has no network called {layout.network!r}")
    return found[0]


def _nearest(weights: Weights, offers: Sequence[Offer]) -> str:
    """The family that has most keys in common with these, and what differs."""
    held = {key for key in weights if key.endswith(".weight")}
    ranked = sorted(_compared(held, weights, offers), key=lambda found: found[0], reverse=True)
    if not ranked or ranked[0][0] == 0:
        first = listed(sorted(weights))
        return f"It begins with {first}: it has nothing in common with any family that is known."
    _, offer, wanted = ranked[0]
    family = offer.family
    said = f"The nearest is {family.name} ({family.summary})"
    if wanted == held:
        try:
            _fitted(offer, weights, Choices())
        except Misfit as misfit:
            said += f"; {misfit}"
    if missing := sorted(wanted - held):
        said += f"; of its keys these are missing: {listed(missing)}"
    if beside := sorted(held - wanted):
        said += f"; it has none of these: {listed(beside)}"
    return f"{said}."


def _compared(
    held: set[str], weights: Weights, offers: Sequence[Offer]
) -> Iterator[tuple[float, Offer, set[str]]]:
    """How much each family has in common with some keys, and the keys that it would have."""
    for offer in offers:
        try:
            wanted = expected_keys(_layout(offer.family, _Imagined(weights), Choices()))
        except Misfit:
            continue
        yield len(wanted & held) / max(len(wanted | held), 1), offer, wanted


class _Imagined(dict[str, Tensor]):
    """Weights among which one that is looked for is always there."""

    def __missing__(self, key: str) -> Tensor:
        return torch.empty(1, 1, 1, 1, device="meta")
