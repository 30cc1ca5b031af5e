"""One mean and variance for all tiles of a whole, where a network normalises each instance."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

Statistics = dict[nn.Module, tuple[Tensor, Tensor]]


@contextmanager
def collect_statistics(network: nn.Module) -> Iterator[Statistics]:
    """Let instance norms treat a batch as parts of one instance, and note its mean and variance.

    Each layer sees what the layers before it made of the same statistics, so that the numbers fit
    together: a pass over all parts of a whole gives the whole's, but for what happens at cuts.
    """
    found: Statistics = {}

    def normalize(norm: _InstanceNorm, x: Tensor) -> Tensor:
        axes = [0, *range(2, x.dim())]
        wide = x.float()
        fewer = getattr(norm, "correction", 0)
        variance, mean = torch.var_mean(wide, dim=axes, correction=fewer, keepdim=True)
        found[norm] = (mean, variance)
        return _normalized(norm, x, mean, variance)

    with _replaced(network, normalize):
        yield found


@contextmanager
def fixed_statistics(network: nn.Module, statistics: Statistics) -> Iterator[None]:
    """Let instance norms use these statistics, whatever they see."""
    with _replaced(network, lambda norm, x: _normalized(norm, x, *statistics[norm])):
        yield


def normalizes_instances(network: nn.Module) -> bool:
    """Whether what a network makes of a place depends on all that it is shown beside it."""
    return any(map(_is_instance_norm, network.modules()))


def _is_instance_norm(module: nn.Module) -> bool:
    return isinstance(module, _InstanceNorm) and not module.track_running_stats


@contextmanager
def _replaced(
    network: nn.Module, normalize: Callable[[_InstanceNorm, Tensor], Tensor]
) -> Iterator[None]:
    with ExitStack() as stack:
        for module in filter(_is_instance_norm, network.modules()):
            norm = module

            def forward(x: Tensor, norm: nn.Module = norm) -> Tensor:
                assert isinstance(norm, _InstanceNorm)
                return normalize(norm, x)

            # On the instance: it hides the class's own, and goes without a trace.
            norm.forward = forward
            stack.callback(norm.__dict__.pop, "forward")
        yield


def _normalized(norm: _InstanceNorm, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """As instance norm does: over ``(batch, channels, *sizes)``, in float32."""
    scale = torch.rsqrt(variance + norm.eps)
    shift = -mean * scale
    if norm.affine:
        channels = (1, -1, *(1,) * (x.dim() - 2))
        weight = norm.weight.detach().float().view(channels)
        scale, shift = scale * weight, shift * weight + norm.bias.detach().float().view(channels)
    return torch.addcmul(shift, x.float(), scale).to(x.dtype)
