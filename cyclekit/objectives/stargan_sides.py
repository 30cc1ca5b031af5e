"""What samples become that StarGAN sends to other domains, and what that costs each side."""

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclekit import api
from cyclekit.objectives.stargan_options import StarGANOptions

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
SAMPLES, LABEL, TARGET = "samples", "label", "target"


class Sent:
    """What becomes of samples that are sent to other domains in one step."""

    _fake: Tensor
    _on_real: tuple[Tensor, Tensor]
    _on_fake: tuple[Tensor, Tensor]

    def __init__(
        self,
        options: StarGANOptions,
        spec: api.TensorSpec,
        networks: api.Networks,
        batch: api.Batch,
        step: api.Step,
    ) -> None:
        self._options, self._spec, self._step = options, spec, step
        self._loss = api.ADVERSARIAL_LOSSES[options.adversarial.loss]
        self._generator, self._critic = networks[GENERATOR], networks[DISCRIMINATOR]
        self._x, self._label, self._target = batch[SAMPLES], batch[LABEL], batch[TARGET]
        self._valid = step.valid.get(SAMPLES)
        self._named = described if options.attributes else named

    def seen(self) -> tuple[Tensor, Tensor]:
        """The real samples and the fakes that the discriminator is shown."""
        return self._seen

    def judge(self) -> None:
        """Show the discriminator real samples and fakes."""
        self._on_real, self._on_fake = api.call_batched(self._critic, *self._seen)

    def fool(self) -> None:
        """Translate, and show the discriminator fakes."""
        self._translate()
        self._on_fake = self._critic(self._noisy(self._shown, GENERATOR))

    def judged(self) -> Tensor:
        """What real samples and fakes cost the discriminator."""
        on_real, on_fake = self.of_own(self._on_real[0]), self.of_target(self._on_fake[0])
        cost = self._loss.discriminator(api.upcast(on_real), api.upcast(on_fake))
        return cost if self._loss.pairs else 2 * cost

    def penalty(self) -> Tensor:
        """How far the discriminator's gradient is from a length of 1 (equation 8)."""
        share = self._step.uniform(self._x, "penalty", DISCRIMINATOR)
        patches = self._options.adversarial.penalty_of
        return api.gradient_penalty(self._critic, *self._seen, share, patches, self.of_target)

    def fooled(self) -> Tensor:
        """What it costs the generator that the discriminator is not taken in."""
        return api.fooling(
            self._loss,
            lambda x: self.of_own(self._critic(x)[0]),
            api.upcast(self.of_target(self._on_fake[0])),
            self._shown,
            lambda: self._noisy(self._x, GENERATOR),
        )

    def named_real(self) -> Tensor:
        """What it costs to take real samples for another domain's (equation 2)."""
        return self._named(self._on_real[1], self._label)

    def named_fake(self) -> Tensor:
        """What it costs that fakes are not taken for their target's (equation 3)."""
        return self._named(self._on_fake[1], self._target)

    def cycle(self) -> Tensor:
        """How far a sample is from itself, once it came back (equation 4)."""
        sent = self._fake
        if self._options.rounding.cycle:
            sent = api.rounded(sent, self._spec)
        return self._apart(self._generator(sent, self._label))

    def kept(self) -> Tensor:
        """How far a fake is from what it was made of."""
        return self._apart(self._fake)

    def same(self) -> Tensor:
        """How far a sample is from what it becomes when it is told its own domain."""
        return self._apart(self._generator(self._x, self._label))

    def of_own(self, logits: Tensor) -> Tensor:
        """Of the discriminator's logits those of the samples' own domains."""
        return self._picked(logits, self._label)

    def of_target(self, logits: Tensor) -> Tensor:
        """Of the discriminator's logits those of the domains that samples were sent to."""
        return self._picked(logits, self._target)

    def _picked(self, logits: Tensor, label: Tensor) -> Tensor:
        if self._options.adversarial.logits == "shared":
            return logits
        if logits.shape[1] != label.shape[1]:
            raise api.RecipeError(
                f"objective.adversarial.logits is 'own', but this discriminator makes "
                f"{logits.shape[1]} where it was asked for {label.shape[1]}. Choose another "
                f"discriminator.name, or 'shared'."
            )
        where = label.to(logits.dtype).view(*label.shape, *(1,) * (logits.dim() - 2))
        return (logits * where).sum(dim=1, keepdim=True)

    def _apart(self, made: Tensor) -> Tensor:
        return api.distance(self._options.distance, made, self._x, self._spec, self._valid)

    @cached_property
    def _seen(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            self._translate()
        # One noise for both, so that it tells nothing.
        return self._noisy(self._x, DISCRIMINATOR), self._noisy(self._shown, DISCRIMINATOR)

    @property
    def _shown(self) -> Tensor:
        """Fakes as the discriminator gets them: with zeros in the gaps that real samples have."""
        shown = self._fake
        if self._valid is not None:
            shown = shown * self._valid.all(dim=1, keepdim=True)
        if self._options.rounding.discriminators:
            shown = api.rounded(shown, self._spec)
        return shown

    def _noisy(self, x: Tensor, role: str) -> Tensor:
        sigma = self._options.input_noise.sigma
        return x + sigma * self._step.normal(x, "noise", role) if sigma else x

    def _translate(self) -> None:
        self._fake = self._generator(self._x, self._target)
        api.require_shape(self._fake, self._x, GENERATOR)


def named(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of the labels that exactly one domain has, the mean over a batch.

    Args:
        logits: ``(batch, domains)``.
        label: The same shape, 1 at one place of each and 0 elsewhere.
    """
    return F.cross_entropy(api.upcast(logits), label.argmax(dim=1))


def described(logits: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropies, the sum over attributes, the mean over a batch.

    Args:
        logits: ``(batch, attributes)``.
        label: The same shape, 1 where a sample has the attribute and 0 elsewhere.
    """
    each = F.binary_cross_entropy_with_logits(api.upcast(logits), label.float(), reduction="none")
    return each.sum(dim=1).mean()
