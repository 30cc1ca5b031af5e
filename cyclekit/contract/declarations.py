"""What an objective declares: the streams of a batch, the phases of a step, the directions."""

from dataclasses import dataclass
from typing import Literal

from cyclekit.names import DIRECTION, setting_of


@dataclass(frozen=True)
class Stream:
    """An entry of a batch: ``(batch, channels, *sizes)``, as networks see samples.

    Attributes:
        domains: The samples are drawn from these, file by file.
        drawn_with: Another stream, whose samples' counterparts are drawn: training files of equal
            names belong together. Any number of streams may name the same one (pairs, triples).
            All are of one domain each, share the index and the chance that ``Codec.augment`` is
            given (one crop, one flip), and show nothing that lacks a counterpart.
        label: Name of a further entry of the batch, if one is wanted: ``(batch, domains)`` floats,
            1 at the domain that each sample is from and 0 elsewhere; or, of an objective with
            ``attributes``, ``(batch, attributes)``, 1 at those that it has.
        target: Name of another such entry, if one is wanted: labels of further samples of the
            stream, drawn for each position independently, so that each occurs as often as among
            the samples.
        evenly: Each domain is drawn from equally often, however many files it has; otherwise all
            files are.
    """

    domains: tuple[str, ...]
    drawn_with: str = ""
    label: str = ""
    target: str = ""
    evenly: bool = False


@dataclass(frozen=True)
class Phase:
    """A part of a step that ends with one optimizer's step.

    Attributes:
        name: Of the phase and its optimizer.
        trains: Names of the networks it trains; all others are frozen meanwhile.
        rate: Which learning rate it has: ``train.learning_rate``, or
            ``train.discriminator_learning_rate`` where the recipe says one.
        every: It is left out of all steps but every so many-th; schedules and logs count steps.
    """

    name: str
    trains: tuple[str, ...]
    rate: Literal["generator", "discriminator"] = "generator"
    every: int = 1

    def is_due(self, step: int) -> bool:
        """Whether it belongs to the step that follows ``step`` others."""
        return (step + 1) % self.every == 0


@dataclass(frozen=True)
class Direction:
    """A translation that the trained networks can do, from one domain to another.

    Attributes:
        source: Domain of what goes in.
        target: Domain of what comes out.
        networks: All networks that ``Objective.translate`` calls for it. These are averaged
            (``train.ema``), loaded and put into evaluation mode.
        alias: Its name, where ``source2target`` might mean another one, too.
        coding: All networks that ``Objective.code_of`` calls for it, treated likewise; none: those
            of ``networks``. They are not exported, and where an import lacks them, codes can still
            be drawn.
        sets: What becomes of a sample's attributes, of an objective that has some: those that are
            not named stay as they are.
    """

    source: str
    target: str
    networks: tuple[str, ...]
    alias: str = ""
    coding: tuple[str, ...] = ()
    sets: tuple[tuple[str, bool], ...] = ()

    @property
    def ends(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def place(self) -> tuple[str, str]:
        """Row and column in a table of all directions: the ends, or an attribute and its value."""
        return (setting_of(self.name) if self.sets else None) or self.ends

    @property
    def name(self) -> str:
        """As the command line says it, for instance ``summer2winter``."""
        return self.alias or DIRECTION.format(self.source, self.target)
