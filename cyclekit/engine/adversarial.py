"""What discriminators and generators pay for each other, whichever the adversarial loss is."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cyclekit.engine.functional import call_batched, upcast
from cyclekit.engine.losses import AdversarialLoss
from cyclekit.engine.penalties import gradient_penalty, require_one_size


def discriminator_loss(
    loss: AdversarialLoss,
    network: nn.Module,
    real: Tensor,
    fake: Tensor,
    *,
    share: Callable[[], Tensor],
    penalty: float = 10.0,
    together: bool = True,
) -> Tensor:
    """What a discriminator pays: half of its costs of real samples and of fakes, or that of their
    pairs, and a gradient penalty where the loss has one.

    Args:
        loss: One of ``ADVERSARIAL_LOSSES``.
        network: The discriminator.
        real: ``(batch, channels, *sizes)``.
        fake: Detached; the same shape, if there is a penalty or the loss is one of pairs.
        share: Draws ``(batch,)`` numbers in 0..1, how much of each point is real at which the
            penalty is taken.
        penalty: Its weight.
        together: As in ``call_batched``.
    """
    if loss.pairs:
        require_one_size(real, fake, "adversarial.loss = 'relativistic'")
    on_real, on_fake = call_batched(network, real, fake, together=together)
    cost = loss.discriminator(upcast(on_real), upcast(on_fake))
    if loss.needs_penalty:
        cost = cost + penalty * gradient_penalty(network, real, fake, share())
    return cost


def generator_loss(
    loss: AdversarialLoss, network: nn.Module, fake: Tensor, real: Callable[[], Tensor]
) -> Tensor:
    """What it costs a generator that a discriminator is not taken in.

    Args:
        loss: One of ``ADVERSARIAL_LOSSES``.
        network: The discriminator, frozen; maps samples to logits, or to a pair of which these are
            the first.
        fake: ``(batch, channels, *sizes)``, as the discriminator is shown it.
        real: Makes as many real samples of that shape, varied as fakes are; called only where the
            loss is one of pairs.
    """
    on_fake = upcast(_logits(network(fake)))
    return fooling(loss, network, on_fake, fake, real)


def fooling(
    loss: AdversarialLoss,
    network: Callable[[Tensor], Tensor | tuple[Tensor, Tensor]],
    on_fake: Tensor,
    fake: Tensor,
    real: Callable[[], Tensor],
) -> Tensor:
    """The same where the discriminator's logits for fakes are known."""
    if loss.pairs is None:
        return loss.generator(on_fake)
    shown = real()
    require_one_size(shown, fake, "adversarial.loss = 'relativistic'")
    with torch.no_grad():
        on_real = upcast(_logits(network(shown)))
    return loss.pairs(on_fake, on_real)


def _logits(made: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return made[0] if isinstance(made, tuple) else made
