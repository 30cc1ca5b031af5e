"""The recipe's ``[objective]`` table: the terms of the CycleGAN objective and their weights."""

from typing import Annotated

from pydantic import Field

from cyclekit.contract.options import Options
from cyclekit.engine.augmentation import AugmentationOptions
from cyclekit.engine.distances import DistanceOptions
from cyclekit.engine.losses import ADVERSARIAL_LOSSES, AdversarialName
from cyclekit.engine.penalties import RegularizationOptions

Weight = Annotated[float, Field(ge=0)]


class AdversarialOptions(Options):
    """Fooling a discriminator of the target domain."""

    weight: Weight = 1.0
    """Weight in the generators' loss."""
    loss: AdversarialName = "lsgan"
    """`lsgan`, `vanilla`, `hinge`, `wgan-gp`, or `relativistic`: a fake against a real sample, for
    windows of one size, best with penalties `r1` and `r2` (R3GAN, arXiv 2501.05441)."""
    gradient_penalty: Weight = 10.0
    """Weight of the gradient penalty; only `wgan-gp` pays it."""

    @property
    def differentiates_twice(self) -> bool:
        """Whether discriminators pay for their gradients."""
        return ADVERSARIAL_LOSSES[self.loss].needs_penalty


class RegularizedAdversarialOptions(AdversarialOptions):
    """Fooling a discriminator of the target domain, which may be held to small gradients."""

    regularization: RegularizationOptions = RegularizationOptions()

    @property
    def differentiates_twice(self) -> bool:
        """Whether discriminators pay for their gradients."""
        return super().differentiates_twice or self.regularization.active


class CycleTermOptions(Options):
    """There and back again gives the same, by `objective.distance`."""

    weight: Weight = 10.0
    """Weight each way."""
    weight_a: Weight | None = None
    """Weight of A -> B -> A, where it is another."""
    weight_b: Weight | None = None
    """Weight of B -> A -> B, where it is another."""
    back_translation: bool = False
    """Let the term train the way back alone, as unsupervised machine translation does
    (arXiv 1711.00043): the way there then has no reason to hide what the target domain lacks. For
    domains of which one holds less than the other."""
    noise: Weight = 0.0
    """Largest standard deviation of noise on fakes on their way back, drawn for each sample from 0
    up to this; 0: none. Where one domain holds less than the other, generators else hide what is
    lacking in patterns that nobody sees (arXiv 1712.02950), and learn nothing; noise drowns these
    (arXiv 1908.01517). Were it always as strong, they would tell fakes from real samples by it."""

    def weight_from(self, domain: str) -> float:
        """Weight of the cycle that begins in a domain."""
        own: float | None = getattr(self, f"weight_{domain}")
        return self.weight if own is None else own


class IdentityOptions(Options):
    """A generator leaves alone what is already in its target domain."""

    weight: Weight = 5.0
    """Absolute weight (the reference's 0.5 is a share of its cycle weight of 10)."""
    until_step: Annotated[int, Field(ge=0)] | None = None
    """Step from which the term is dropped; without it, it stays."""


class SelfRegularizationOptions(Options):
    """A fake stays close to what it was made from (SimGAN, arXiv 1612.07828)."""

    weight: Weight = 0.0
    """Weight; 0: none. It pins what no other term decides on: which grey a yellow becomes, for
    instance."""


class SupervisedOptions(Options):
    """A generator makes of a sample what its pair is, on training files of equal names alone,
    in steps that are otherwise as without pairs."""

    weight: Weight = 0.0
    """Weight each way; 0: pairs mean nothing, whatever files are called."""


class SecondAdversarialOptions(Options):
    """A second pair of discriminators sees cycled samples: the two-step adversarial loss of
    CycleGAN-VC2 (arXiv 1904.04631)."""

    weight: Weight = 0.0
    """Weight in the generators' loss; 0 leaves the discriminators out altogether."""


class MixedDomainOptions(Options):
    """Discriminators of fakes against real samples of all domains (arXiv 1809.07575)."""

    weight: Weight = 0.0
    """Scales the whole term; 0 leaves the discriminators out altogether."""
    gamma: Weight = 1.0
    """Weight in the discriminators' loss."""
    generator_weight: Weight = 0.0
    """Weight in the generators' loss. 0 as in the published code, where it never reached them."""


class InputNoiseOptions(Options):
    """Gaussian noise on what discriminators see (arXiv 1809.07575)."""

    sigma: Weight = 0.0
    """Standard deviation; 0: none."""


class RoundingOptions(Options):
    """Show fakes as files will hold them, for data of two values such as piano rolls: rounded to
    the nearer end of their range, gradients passing straight through (arXiv 1804.09399)."""

    discriminators: bool = False
    """Round what discriminators see; else they tell fakes by their in-between values."""
    cycle: bool = False
    """Round what the generators get on the way back; else they hide the source in between."""


class CycleOptions(DistanceOptions):
    """The terms and their weights."""

    adversarial: RegularizedAdversarialOptions = RegularizedAdversarialOptions()
    cycle: CycleTermOptions = CycleTermOptions()
    identity: IdentityOptions = IdentityOptions()
    self_regularization: SelfRegularizationOptions = SelfRegularizationOptions()
    supervised: SupervisedOptions = SupervisedOptions()
    second_adversarial: SecondAdversarialOptions = SecondAdversarialOptions()
    mixed_domain: MixedDomainOptions = MixedDomainOptions()
    input_noise: InputNoiseOptions = InputNoiseOptions()
    augmentation: AugmentationOptions = AugmentationOptions()
    rounding: RoundingOptions = RoundingOptions()
    history_size: Annotated[int, Field(ge=0, le=10**6)] = 50
    """Earlier fakes kept for each domain on each rank, which discriminators are shown beside new
    ones; 0: none."""
    batch_calls: bool = True
    """Send several inputs through a network at once where that is exact."""
