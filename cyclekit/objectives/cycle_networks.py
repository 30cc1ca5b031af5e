"""Who takes part in the cycle: its domains, the roles of its networks, its two ways."""

from dataclasses import dataclass

from cyclekit.contract.declarations import Direction

A, B, MIXED = "a", "b", "mixed"
PAIRED = {A: "pair_a", B: "pair_b"}


@dataclass(frozen=True)
class DiscriminatorRole:
    """What a discriminator is for.

    Attributes:
        name: Among the networks.
        family: What it shares with the other domain's.
        domain: Whose samples it is shown, and whose spec they have.
        real: Stream of its real samples.
        fakes_of: The discriminator whose fakes it is shown; itself, where it has a history.
    """

    name: str
    family: str
    domain: str
    real: str
    fakes_of: str


def _roles(family: str, names: tuple[str, str]) -> tuple[DiscriminatorRole, ...]:
    """One for each domain, with a history of its own."""
    return tuple(
        DiscriminatorRole(name, family, domain, domain, name)
        for name, domain in zip(names, (A, B), strict=True)
    )


FIRST = _roles("discriminator", ("discriminator_a", "discriminator_b"))
SECOND = _roles("second_discriminator", ("second_discriminator_a", "second_discriminator_b"))
OF_MIXED = (
    DiscriminatorRole("mixed_discriminator_a", "mixed_discriminator", A, MIXED, "discriminator_a"),
    DiscriminatorRole("mixed_discriminator_b", "mixed_discriminator", B, MIXED, "discriminator_b"),
)


@dataclass(frozen=True)
class Way:
    """A direction, and everybody who has a part in its terms.

    Attributes:
        direction: From where to where.
        there: The generator.
        back: The other way's generator.
        first: Discriminator that is shown fakes.
        second: One that is shown what came back.
        mixed: One that is shown fakes beside samples of both domains.
    """

    direction: Direction
    there: str
    back: str
    first: DiscriminatorRole
    second: DiscriminatorRole
    mixed: DiscriminatorRole


A2B, B2A = "generator_a2b", "generator_b2a"
WAYS = (
    Way(Direction(A, B, (A2B,)), A2B, B2A, FIRST[1], SECOND[0], OF_MIXED[1]),
    Way(Direction(B, A, (B2A,)), B2A, A2B, FIRST[0], SECOND[1], OF_MIXED[0]),
)
