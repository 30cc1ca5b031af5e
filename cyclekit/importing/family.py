"""What a family of other people's networks is: how it names its layers, and what it leaves open."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.contract.network import Network
from cyclekit.contract.tensors import TensorSpec

Weights = Mapping[str, Tensor]
Kind = Literal["generator", "discriminator", "own", "file"]
Norms = Literal["keys", "instance", "unbiased", "batch", "none", "unsaid"]
OWN_PARTS = ("weight", "bias")


@dataclass(frozen=True)
class Choices:
    """What a person said about things that keys do not show.

    Attributes:
        dropout_on: Drop while translating as well.
        running_statistics: Normalise by the statistics that batch norms gathered.
        bgr: Networks see blue, green, red.
        padding: At borders, where keys leave it open; ``None``: as the family's published code.
        statistics: Files of a domain's statistics, by domain.
        source: The file that is being read, for families that need one beside it.
    """

    dropout_on: bool = False
    running_statistics: bool = False
    bgr: bool = False
    padding: str | None = None
    statistics: Mapping[str, Path] = field(default_factory=dict)
    source: Path | None = None


@dataclass(frozen=True)
class Slot:
    """A convolution of a peer's network.

    Attributes:
        conv: Its name, or those of several that are one here, side by side in their outputs.
        norm: The name of the norm behind it, or of several; empty: none.
        change: What is done to its weight, for inputs that come in another order.
        norm_parts: What the norm calls its scale and its shift.
    """

    conv: str | tuple[str, ...]
    norm: str | tuple[str, ...] = ""
    change: Callable[[Tensor], Tensor] | None = None
    norm_parts: tuple[str, str] = OWN_PARTS


@dataclass(frozen=True)
class Layout:
    """How a peer's network is built and named, as read from its keys.

    Attributes:
        network: The name of the network here that is the same.
        options: Its options.
        slots: The peer's convolutions in the order in which the network here has them.
        source: Spec of what it takes.
        target: Spec of what it makes; ``None`` for discriminators, whose logits have their own.
        extra: Channels of its input that the objective adds to a sample's, such as a mask.
        condition: Numbers that a generator is told besides; of an encoder, those of its codes.
        planes: Whether it is told them by constant planes beside its input, which ``source`` does
            not count.
        classes: Further logits of a discriminator, for the whole sample.
        norms: Of what kind its norms are: as ``keys`` say, or whatever these say; ``unsaid`` where
            the network here has no such option.
        running: Whether the peer translates by the statistics that batch norms gathered.
        aliases: Prefixes of second names for tensors: the second -> the first.
        constants: Tensors that never change, by name: what they must hold.
        ignored: Prefixes of tensors that the peer never uses, with what they are.
        unbiased: Convolutions that have no bias where it would be expected.
        dropout: Whether the keys show dropout; ``None``: keys cannot show it.
        settings: Keys of the recipe besides the network's.
        assumed: What is taken for granted, a sentence each, with its switch.
        facts: What ``Family.deliver`` has to know besides.
    """

    network: str
    options: Mapping[str, Any]
    slots: Sequence[Slot]
    source: TensorSpec
    target: TensorSpec | None
    extra: int = 0
    condition: int = 0
    planes: bool = False
    classes: int = 0
    norms: Norms = "keys"
    running: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    unbiased: Sequence[str] = ()
    dropout: bool | None = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    assumed: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """A file for recipes to name, of a network that is no part of a run, such as a vocoder.

    Attributes:
        content: Of the file.
        suffix: Of its name.
        usage: How a recipe names it, with ``{file}`` in its place.
    """

    content: bytes
    suffix: str
    usage: str


@dataclass(frozen=True)
class Family:
    """A kind of network that other people's checkpoints hold.

    Attributes:
        name: The value of ``--as``.
        summary: One line for listings and messages.
        kind: What it is for: an ``own`` network is one that its objective brings along; of a
            ``file`` no run is made.
        recognises: Whether names and shapes of tensors have the whole form of this family.
        layout: How the network is built, as its keys say; raises ``LookupError`` or ``ValueError``
            where they are not those of this family.
        refusal: Why its networks cannot be imported, where they are known and cannot.
        left_out: Why a run has no place for its networks, beside others that are imported.
        licence: Of the published code, where it binds whoever uses the weights.
        domain_settings: ``(channels of A, channels of B) -> {recipe key: value}``.
        prepare: ``(codec, choices) -> sentences``: gives a run's codec what its recipe does not
            say, such as statistics; raises ``CyclekitError`` where that is missing.
        judges_results: Whether its ``D_A`` judges what ``G_A`` makes, which is domain B.
        network: The network here, where it is none that a recipe can name.
        objective: Of which objective it is a network; the files of a run must agree on it.
        role: What that objective calls it. Empty, of the cycle's: names and directions say which
            of several it is.
        table: Where the recipe has its options, if neither in ``generator`` nor in
            ``discriminator``.
        deliver: ``(layout, options, weights) -> Delivery``, of a ``file``.
    """

    name: str
    summary: str
    kind: Kind
    recognises: Callable[[Weights], bool]
    layout: Callable[[Weights, Choices], Layout] | None = None
    refusal: str = ""
    left_out: str = ""
    licence: str = ""
    domain_settings: Callable[[int, int], Mapping[str, Any]] | None = None
    prepare: Callable[[Codec[Any], Choices], Sequence[str]] | None = None
    judges_results: bool = False
    network: Network | None = None
    objective: str = "cycle"
    role: str = ""
    table: str = ""
    deliver: Callable[[Layout, Mapping[str, Any], Weights], Delivery] | None = None


@dataclass(frozen=True)
class Published:
    """A file of weights that can be had from where its authors put it.

    Attributes:
        name: After ``zoo:``.
        url: Where it is.
        size: About how many bytes it has.
        about: What it was trained on, and which way it translates.
        family: What it holds.
        terms: What is known about who may use it.
        dropout: Whether it was trained with dropout that keys do not show.
    """

    name: str
    url: str
    size: int
    about: str
    family: str
    terms: str
    dropout: bool = False
