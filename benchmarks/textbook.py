"""A step of CycleGAN as one would write it down from the paper (arXiv 1703.10593), for comparison.

float32, contiguous, every network called on one batch at a time, PyTorch's layers and its Adam as
they come.
"""

import random
from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss
from torch.nn.utils.parametrize import is_parametrized

from cyclekit.nets.spectral import spectral_norms
from cyclekit.recipe.settings import Recipe

AS_IT_COMES = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
"""Layers of torch that the engine computes in another way: padding and statistics."""


def as_it_comes(network: nn.Module) -> None:
    """Have torch compute a network's layers in its own way."""
    # Those with spectral norms have a class each, by which they find their weights.
    for module in (module for module in network.modules() if not is_parametrized(module)):
        theirs = next((kind for kind in type(module).__mro__ if kind in AS_IT_COMES), None)
        module.__class__ = theirs or type(module)


class ImagePool:
    """Up to 50 earlier fakes in a list (section 4)."""

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        shown = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image.clone())
                shown.append(image)
            elif random.random() < 0.5:
                place = random.randrange(self.size)
                shown.append(self.images[place])
                self.images[place] = image.clone()
            else:
                shown.append(image)
        return torch.stack(shown)


class Textbook:
    """Networks and optimizers of its own; least squares, cycle and identity terms (section 3).

    Args:
        networks: By the engine's names; they are copied.
        recipe: Its weights, rates and decays. Terms that the paper does not have are left out.
    """

    def __init__(self, networks: Mapping[str, nn.Module], recipe: Recipe) -> None:
        own = {name: self._copied(network) for name, network in networks.items()}
        self.networks = own
        self.a2b, self.b2a = own["generator_a2b"], own["generator_b2a"]
        self.judge_a, self.judge_b = own["discriminator_a"], own["discriminator_b"]
        self.weights = recipe.objective
        train = recipe.train
        self.generators = torch.optim.Adam(
            [*self.a2b.parameters(), *self.b2a.parameters()], train.learning_rate, train.betas
        )
        self.discriminators = torch.optim.Adam(
            [*self.judge_a.parameters(), *self.judge_b.parameters()],
            train.discriminator_learning_rate or train.learning_rate,
            train.betas,
        )
        self.pool_a, self.pool_b = ImagePool(), ImagePool()
        self.spectra = [pair for network in own.values() for pair in spectral_norms(network)]

    def step(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """One step of both optimizers; returns the losses."""
        for norm, weight in self.spectra:
            norm.advance(weight)
        fake_a, fake_b, losses = self.train_generators(a, b)
        return losses | self.train_discriminators(a, b, fake_a, fake_b)

    def train_generators(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        self._judges_learn(False)
        self.generators.zero_grad()
        fake_b = self.a2b(a)
        cycled_a = self.b2a(fake_b)
        fake_a = self.b2a(b)
        cycled_b = self.a2b(fake_a)
        losses = {
            "adversarial_a2b": _squares(self.judge_b(fake_b), 1.0),
            "adversarial_b2a": _squares(self.judge_a(fake_a), 1.0),
            "cycle_a": l1_loss(cycled_a, a),
            "cycle_b": l1_loss(cycled_b, b),
        }
        if self.weights.identity.weight:
            losses["identity_a"] = l1_loss(self.b2a(a), a)
            losses["identity_b"] = l1_loss(self.a2b(b), b)
        total = sum(
            getattr(self.weights, name.partition("_")[0]).weight * loss
            for name, loss in losses.items()
        )
        total.backward()
        self.generators.step()
        return fake_a, fake_b, {name: loss.detach() for name, loss in losses.items()}

    def train_discriminators(
        self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor
    ) -> dict[str, Tensor]:
        self._judges_learn(True)
        self.discriminators.zero_grad()
        losses = {}
        for name, judge, real, fake in (
            ("discriminator_a", self.judge_a, a, self.pool_a.query(fake_a)),
            ("discriminator_b", self.judge_b, b, self.pool_b.query(fake_b)),
        ):
            loss = (_squares(judge(real), 1.0) + _squares(judge(fake), 0.0)) / 2
            loss.backward()
            losses[name] = loss.detach()
        self.discriminators.step()
        return losses

    def _judges_learn(self, learn: bool) -> None:
        for judge in (self.judge_a, self.judge_b):
            judge.requires_grad_(learn)

    def _copied(self, network: nn.Module) -> nn.Module:
        copy = deepcopy(network).to(memory_format=torch.contiguous_format)
        as_it_comes(copy)
        return copy.train().requires_grad_(True)


def _squares(logits: Tensor, target: float) -> Tensor:
    return mse_loss(logits, torch.full_like(logits, target))
