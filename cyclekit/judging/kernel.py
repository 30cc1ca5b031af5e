"""How far apart two collections are by features: the kernel distance, and how sure it is."""

import torch
from torch import Tensor

from cyclekit.contract.metrics import Estimate
from cyclekit.randomness import torch_generator

RESAMPLES = 200


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """The kernel inception distance (Binkowski et al., arXiv 1801.01401) over whole collections.

    Squared maximum mean discrepancy with the kernel ``(x.y / d + 1)^3``, unbiased, so that it is
    0 on average, and may be negative, for two samples of one distribution.

    Args:
        x: ``(items, features)``, two items at least.
        y: The same of the other collection.
    """
    kernels = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    return _distance(*kernels, torch.arange(len(x)), torch.arange(len(y)))


def kernel_estimate(x: Tensor, y: Tensor, seed: int = 0) -> Estimate:
    """``kernel_distance`` with a 95 % bootstrap interval over items of both collections.

    Pairs of one item with itself, which resampling makes, are left out: the interval would lie too
    high.

    Args:
        x: As there.
        y: As there.
        seed: Chooses items.
    """
    kernels = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    rng = torch_generator(seed, "kernel interval")

    def drawn(count: int) -> Tensor:
        while True:  # a collection of one item, again and again, has no spread
            chosen = torch.randint(count, (count,), generator=rng)
            if (chosen != chosen[0]).any():
                return chosen

    found = [_distance(*kernels, drawn(len(x)), drawn(len(y))) for _ in range(RESAMPLES)]
    low, high = torch.tensor(found).double().quantile(torch.tensor([0.025, 0.975]).double())
    return Estimate(kernel_distance(x, y), float(low), float(high))


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.T / one.shape[1] + 1) ** 3


def _distance(
    own: Tensor, others: Tensor, between: Tensor, chosen: Tensor, chosen_others: Tensor
) -> float:
    """Of the chosen items of both; an item is not compared with itself."""

    def within(kernel: Tensor, rows: Tensor) -> Tensor:
        apart = rows[:, None] != rows
        return (kernel[rows][:, rows] * apart).sum() / apart.sum()

    mixed = between[chosen][:, chosen_others].mean()
    return float(within(own, chosen) + within(others, chosen_others) - 2 * mixed)
