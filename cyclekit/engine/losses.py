"""Adversarial losses: what a discriminator's logits cost it and the generator.

Every function takes logits of any shape and returns a scalar. Means run over patches and samples.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NoReturn

import torch.nn.functional as F
from torch import Tensor

from cyclekit.errors import RecipeError

AdversarialName = Literal["lsgan", "vanilla", "hinge", "wgan-gp", "relativistic"]


@dataclass(frozen=True)
class AdversarialLoss:
    """One kind of adversarial loss.

    Attributes:
        real: Cost to the discriminator of its logits for real samples.
        fake: Cost to the discriminator of its logits for fakes.
        generator: Cost to the generator of the discriminator's logits for its fakes.
        needs_penalty: Whether the discriminator also pays ``gradient_penalty``.
        pairs: ``(better, worse)``: cost of logits for the one that are not above the other's, in a
            loss of pairs. It then takes the place of all three: the discriminator's better ones are
            real, the generator's are fakes.
        undecided: What ``discriminator`` is where one answers the same to whatever it sees, as well
            as can be; ``None``: a loss without a scale.
    """

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    needs_penalty: bool = False
    pairs: Callable[[Tensor, Tensor], Tensor] | None = None
    undecided: float | None = None

    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> Tensor:
        """Half of what logits for real samples and for fakes cost the discriminator; of a loss of
        pairs, what their pairs cost it."""
        if self.pairs:
            return self.pairs(on_real, on_fake)
        return (self.real(on_real) + self.fake(on_fake)) / 2

    def undecided_of(self, names: Iterable[str]) -> dict[str, float]:
        """``undecided`` for each of some discriminators, where the loss has a scale."""
        return {} if self.undecided is None else dict.fromkeys(names, self.undecided)


def _paired_only(_logits: Tensor) -> NoReturn:
    """What a loss of pairs has in place of costs of one side alone."""
    raise RecipeError(
        "adversarial.loss = 'relativistic' compares a fake's logits with a real sample's, but this "
        "objective asks for costs of one of them alone. Choose another loss; an objective that "
        "offers this one calls discriminator_loss and generator_loss."
    )


ADVERSARIAL_LOSSES: dict[str, AdversarialLoss] = {
    # Least squares (Mao et al., arXiv 1611.04076), as in CycleGAN.
    "lsgan": AdversarialLoss(
        real=lambda logits: ((logits - 1) ** 2).mean(),
        fake=lambda logits: (logits**2).mean(),
        generator=lambda logits: ((logits - 1) ** 2).mean(),
        undecided=0.25,
    ),
    # Cross-entropy, non-saturating (Goodfellow et al., arXiv 1406.2661).
    "vanilla": AdversarialLoss(
        real=lambda logits: F.softplus(-logits).mean(),
        fake=lambda logits: F.softplus(logits).mean(),
        generator=lambda logits: F.softplus(-logits).mean(),
        undecided=math.log(2),
    ),
    # Hinge (Lim & Ye, arXiv 1705.02894).
    "hinge": AdversarialLoss(
        real=lambda logits: F.relu(1 - logits).mean(),
        fake=lambda logits: F.relu(1 + logits).mean(),
        generator=lambda logits: -logits.mean(),
        undecided=1.0,
    ),
    # Wasserstein with gradient penalty (Gulrajani et al., arXiv 1704.00028).
    "wgan-gp": AdversarialLoss(
        real=lambda logits: -logits.mean(),
        fake=lambda logits: logits.mean(),
        generator=lambda logits: -logits.mean(),
        needs_penalty=True,
    ),
    # A fake against a real sample (Jolicoeur-Martineau, arXiv 1807.00734), as in R3GAN (Huang et
    # al., arXiv 2501.05441, equation 2).
    "relativistic": AdversarialLoss(
        real=_paired_only,
        fake=_paired_only,
        generator=_paired_only,
        pairs=lambda better, worse: F.softplus(worse - better).mean(),
        undecided=math.log(2),
    ),
}
