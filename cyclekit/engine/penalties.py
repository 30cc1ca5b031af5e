"""Penalties on a discriminator's gradient, which are themselves differentiated.

They call the discriminator without Fabric's wrapper, which allows no backward pass but Fabric's
own, and outside of autocast, as the gradient of a gradient should be computed.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract.options import Options
from cyclekit.engine.functional import upcast
from cyclekit.engine.lightning import is_wrapped
from cyclekit.engine.terms import Term, TermGroup
from cyclekit.errors import RecipeError

Patches = Literal["sum", "mean"]
Seen = tuple[Tensor, Tensor]
Pick = Callable[[Tensor], Tensor]


def every_logit(logits: Tensor) -> Tensor:
    """All that a discriminator says of a sample."""
    return logits


class RegularizationOptions(Options):
    """Hold the discriminator's gradient down where samples are (arXiv 1801.04406), on what it sees:
    after augmentation and noise. Its norms, other than spectral ones, make this hard to keep."""

    r1: Annotated[float, Field(ge=0)] = 0.0
    """The papers' gamma at real samples: half of this times the squared gradient; 0: none. Of many
    logits for a sample it is the mean square of each one's, as if they looked at different places:
    it does not depend on how large samples are."""
    r2: Annotated[float, Field(ge=0)] = 0.0
    """The same at fakes. R3GAN (arXiv 2501.05441) has both, with `relativistic`."""
    every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Both are paid in every so many-th step alone, then so many times over (lazy regularization,
    arXiv 1912.04958): 4 to 16 costs little."""

    @property
    def active(self) -> bool:
        """Whether anything is paid at all."""
        return bool(self.r1 or self.r2)


def gradient_penalty(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    share: Tensor,
    patches: Patches = "sum",
    pick: Pick = every_logit,
) -> Tensor:
    """``mean((|grad D(x)| - 1)^2)`` at points between real and fake (arXiv 1704.00028, eq. 3).

    A gradient of zero costs 1 and has itself no gradient, rather than one that is not a number. In
    a ``TermGroup`` of its own it comes before the discriminator's costs: see ``penalty_groups``.

    Args:
        discriminator: Maps samples to logits, or to a pair of which these are the first.
        real: ``(batch, channels, *sizes)``.
        fake: The same shape.
        share: ``(batch,)`` in 0..1, how much of each point is real.
        patches: What D is of a discriminator with several logits for a sample: their ``sum``, whose
            gradient grows with the sample's size, or their ``mean``, as in the other losses.
        pick: Takes those logits that count.

    Raises:
        RecipeError: If real and fake differ in size, as fakes from the history may.
    """
    require_one_size(real, fake, "wgan-gp")
    share = share.view(-1, *(1,) * (real.dim() - 1))
    gradient, logits = _gradient(discriminator, share * real + (1 - share) * fake, pick)
    steepness: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    if patches == "mean":
        steepness = steepness / logits
    return ((steepness - 1) ** 2).mean()


def zero_centred_penalty(discriminator: nn.Module, x: Tensor, pick: Pick = every_logit) -> Tensor:
    """``mean(|grad sum(D(x))|^2) / 2``, over the number of logits that D has for a sample: R1 at
    real samples, R2 at fakes (arXiv 1801.04406, section 4.1), gamma left out.

    Args:
        discriminator: Maps samples to logits, or to a pair of which these are the first.
        x: ``(batch, channels, *sizes)``.
        pick: Takes those logits that count.
    """
    gradient, logits = _gradient(discriminator, x, pick)
    squares: Tensor = gradient.square().flatten(1).sum(1)
    return squares.mean() / (2 * logits)


def penalty_groups(
    options: RegularizationOptions,
    judge: str,
    network: nn.Module,
    seen: Callable[[], Seen],
    step: int,
    weight: float = 1.0,
    picks: tuple[Pick, Pick] = (every_logit, every_logit),
) -> Iterator[TermGroup]:
    """The terms ``r1_*`` and ``r2_*`` of a discriminator, in groups that come before its costs.

    Each is differentiated by itself where memory is short. A discriminator's costs come last, since
    ranks exchange gradients after the last call that goes through DDP, which penalties do not.

    Args:
        options: What is paid, and in which steps.
        judge: The discriminator's name.
        network: The discriminator.
        seen: The real samples and the fakes that it is shown; called for each of them.
        step: Steps done before this one.
        weight: What the discriminator's own costs are multiplied by.
        picks: Those logits that count of real samples, and of fakes.
    """
    if step % options.every:
        return
    for which, (name, gamma) in enumerate((("r1", options.r1), ("r2", options.r2))):
        if gamma:

            def penalty(which: int = which) -> Tensor:
                return zero_centred_penalty(network, seen()[which], picks[which])

            scaled = weight * gamma * options.every
            yield TermGroup([Term(f"{name}_{judge}", scaled, (judge,), penalty)])


def require_one_size(real: Tensor, fake: Tensor, what: str) -> None:
    """Refuse to compare samples of different sizes.

    Raises:
        RecipeError: Saying what can be done.
    """
    if real.shape != fake.shape:
        raise RecipeError(
            f"{what} needs windows of one size; it met {tuple(real.shape[1:])} and "
            f"{tuple(fake.shape[1:])}. Crop them to one size, or store no fakes "
            f"(objective.history_size = 0)."
        )


def _gradient(discriminator: nn.Module, x: Tensor, pick: Pick) -> tuple[Tensor, int]:
    """The gradient of the sum of a sample's logits, which can be differentiated again, and how many
    logits that are."""
    inner: Any = discriminator.module if is_wrapped(discriminator) else discriminator
    weights = inner.parameters() if isinstance(inner, nn.Module) else iter(())
    dtype = next((weight.dtype for weight in weights), x.dtype)
    x = x.detach().to(dtype).requires_grad_(True)
    with torch.autocast(x.device.type, enabled=False):
        made = inner(x)
    logits = pick(made[0] if isinstance(made, tuple) else made)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return upcast(gradient), logits.numel() // len(logits)
