"""Adversarial losses: what a discriminator's logits cost it and the generator.

Every function takes logits of any shape and returns a scalar. Means run over patches and samples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning_fabric import is_wrapped
from torch import Tensor, nn

from cyclekit.errors import RecipeError

AdversarialName = Literal["lsgan", "vanilla", "hinge", "wgan-gp"]


@dataclass(frozen=True)
class AdversarialLoss:
    """One kind of adversarial loss.

    Attributes:
        real: Cost to the discriminator of its logits for real samples.
        fake: Cost to the discriminator of its logits for fakes.
        generator: Cost to the generator of the discriminator's logits for its fakes.
        needs_penalty: Whether the discriminator also pays ``gradient_penalty``.
    """

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    needs_penalty: bool = False


ADVERSARIAL_LOSSES: dict[str, AdversarialLoss] = {
    # Least squares (Mao et al., arXiv 1611.04076), as in CycleGAN.
    "lsgan": AdversarialLoss(
        real=lambda logits: ((logits - 1) ** 2).mean(),
        fake=lambda logits: (logits**2).mean(),
        generator=lambda logits: ((logits - 1) ** 2).mean(),
    ),
    # Cross-entropy, non-saturating (Goodfellow et al., arXiv 1406.2661).
    "vanilla": AdversarialLoss(
        real=lambda logits: F.softplus(-logits).mean(),
        fake=lambda logits: F.softplus(logits).mean(),
        generator=lambda logits: F.softplus(-logits).mean(),
    ),
    # Hinge (Lim & Ye, arXiv 1705.02894).
    "hinge": AdversarialLoss(
        real=lambda logits: F.relu(1 - logits).mean(),
        fake=lambda logits: F.relu(1 + logits).mean(),
        generator=lambda logits: -logits.mean(),
    ),
    # Wasserstein with gradient penalty (Gulrajani et al., arXiv 1704.00028).
    "wgan-gp": AdversarialLoss(
        real=lambda logits: -logits.mean(),
        fake=lambda logits: logits.mean(),
        generator=lambda logits: -logits.mean(),
        needs_penalty=True,
    ),
}


Patches = Literal["sum", "mean"]


def gradient_penalty(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    share: Tensor,
    patches: Patches = "sum",
) -> Tensor:
    """``mean((|grad D(x)| - 1)^2)`` at points between real and fake (arXiv 1704.00028, eq. 3).

    A gradient of zero costs 1 and has itself no gradient, rather than one that is not a number.

    Args:
        discriminator: Maps samples to logits, or to a pair of which these are the first.
        real: ``(batch, channels, *sizes)``.
        fake: The same shape.
        share: ``(batch,)`` in 0..1, how much of each point is real.
        patches: What D is of a discriminator with several logits for a sample: their ``sum``, whose
            gradient grows with the sample's size, or their ``mean``, as in the other losses.

    Raises:
        RecipeError: If real and fake differ in size, as fakes from the history may.
    """
    if real.shape != fake.shape:
        raise RecipeError(
            f"wgan-gp needs windows of one size; it met {tuple(real.shape[1:])} and "
            f"{tuple(fake.shape[1:])}. Crop them to one size, or store no fakes "
            f"(objective.history_size = 0)."
        )
    share = share.view(-1, *(1,) * (real.dim() - 1))
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    # Without Fabric's wrapper, which allows no backward pass but Fabric's own, and in full
    # precision, as the gradient of a gradient should be.
    inner: Any = discriminator.module if is_wrapped(discriminator) else discriminator
    made = inner(between)
    logits = made[0] if isinstance(made, tuple) else made
    of_samples = logits if patches == "sum" else logits.reshape(len(logits), -1).mean(1)
    (gradient,) = torch.autograd.grad(of_samples.sum(), between, create_graph=True)
    steepness: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return ((steepness - 1) ** 2).mean()
