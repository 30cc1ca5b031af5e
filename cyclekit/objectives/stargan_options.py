"""Options of the StarGAN objective: which domains there are, and the terms."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cyclekit import api
from cyclekit.names import without
from cyclekit.objectives.cycle_options import (
    InputNoiseOptions,
    RoundingOptions,
    SelfRegularizationOptions,
    Weight,
)
from cyclekit.objectives.stargan_domains import faults_of, faults_of_names


class CriticOptions(api.RegularizedAdversarialOptions):
    """Fooling a discriminator that sees samples of all domains."""

    loss: api.AdversarialName = "wgan-gp"
    """`wgan-gp` (as published), `lsgan`, `vanilla`, `hinge`, or `relativistic`: a fake against what
    it was made of."""
    penalty_of: api.Patches = "mean"
    """What the gradient is of that `wgan-gp` holds to a length of 1: the `mean` of a sample's
    logits, whatever their number, or their `sum`, as in the published code, where the penalty is
    stricter the larger the samples are."""
    logits: Literal["shared", "own"] = "shared"
    """Whether a sample is real is judged by one logit for each of its patches, `shared` by all
    domains as published; or each domain has its `own`, by which fakes are compared with real
    samples of their target alone (StarGAN v2, arXiv 1912.01865). For domains that are alike."""


class ClassificationOptions(api.Options):
    """The discriminator names the domain of real samples, and of fakes their target:
    cross-entropy; or each of their attributes: binary cross-entropies, added up."""

    weight: Weight = 1.0
    """Weight in both networks' losses."""


class RoundTripOptions(api.Options):
    """To the target and back again gives the same, by `objective.distance`."""

    weight: Weight = 10.0
    """Weight in the generator's loss."""


class OwnDomainOptions(api.Options):
    """Told a sample's own domain, the generator leaves it alone."""

    weight: Weight = 0.0
    """Weight in the generator's loss; 0, as published: none. It keeps colours and grounds."""


class StarGANOptions(api.DistanceOptions):
    """Which domains there are, and the terms and their weights."""

    domains: tuple[str, ...] = ()
    """Names of the domains. Without them a new run takes those of the data: the keys of
    `data.domains`, or all folders `NAME` that are in `data.root` as `train/NAME` or `trainNAME`."""
    attributes: tuple[str, ...] = ()
    """In place of domains: columns of the table `data.attributes`, which files have or have not,
    several at once, such as CelebA's `Blond_Hair`."""
    condition: Literal["norm", "planes"] = "norm"
    """How the generator is told the target: by scales and shifts after its norms, or, as published,
    by constant planes beside its input, for which its first convolution pads with zeros. Networks
    that have not both are told in the one way they have."""
    adversarial: CriticOptions = CriticOptions()
    classification: ClassificationOptions = ClassificationOptions()
    cycle: RoundTripOptions = RoundTripOptions()
    identity: OwnDomainOptions = OwnDomainOptions()
    self_regularization: SelfRegularizationOptions = SelfRegularizationOptions()
    input_noise: InputNoiseOptions = InputNoiseOptions()
    rounding: RoundingOptions = RoundingOptions()
    generator_every: Annotated[int, Field(ge=1, le=1000)] = 5
    """The generator learns in every so many-th step, the discriminator in each."""

    @field_validator("domains")
    @classmethod
    def _usable(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for fault in faults_of(domains) if domains else ():
            raise ValueError(fault)
        return domains

    @field_validator("attributes")
    @classmethod
    def _usable_too(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        for fault in faults_of_names([*attributes, *map(without, attributes)]):
            raise ValueError(fault)
        return attributes

    @model_validator(mode="after")
    def _one_of_both(self) -> "StarGANOptions":
        if self.domains and self.attributes:
            raise ValueError("say objective.domains or objective.attributes, not both")
        if self.attributes and self.adversarial.logits == "own":
            raise ValueError(
                "objective.adversarial.logits = 'own' is for domains: attributes come together, "
                "and a sample is of several"
            )
        return self
