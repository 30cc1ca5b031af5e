"""Layers by number of dimensions, output ranges, and weight initialisation."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils.parametrize import register_parametrization

from cyclekit.nets.handwritten import UnbiasedInstanceNorm
from cyclekit.nets.instance_norm import INSTANCE_NORM
from cyclekit.nets.reflection import reflect
from cyclekit.nets.spectral import SpectralNorm

Norm = Literal["instance", "unbiased", "batch", "none"]
Padding = Literal["reflect", "replicate", "zeros"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal", "torch"]

PRIME = 2**31 - 1  # products of two numbers below it are whole in 64 bits

CONV: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
CONVOLVE: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class PaddedConvolution(nn.Module):
    """A convolution that pads its input in the precision it has.

    Under autocast a CPU would raise half precision for it, only to lower the result again.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, *sizes)``, as of torch's convolutions."""
        layer: Any = self
        if layer.padding_mode == "zeros" or isinstance(layer.padding, str):
            unpadded: Tensor = super().forward(x)
            return unpadded
        with torch.autocast(x.device.type, enabled=False):
            if self.mirrors:
                x = reflect(x, self.borders)
            else:
                beyond = [width for width in reversed(layer.padding) for _ in range(2)]
                x = F.pad(x, beyond, mode=layer.padding_mode)
        return self.convolve(x)

    @property
    def mirrors(self) -> bool:
        """Whether it pads by reflection."""
        layer: Any = self
        return bool(layer.padding_mode == "reflect")

    @property
    def borders(self) -> tuple[int, ...]:
        """How far it pads, for each axis."""
        layer: Any = self
        widths: tuple[int, ...] = layer.padding
        return widths

    def convolve(self, x: Tensor) -> Tensor:
        """The same, of an input that is padded already."""
        layer: Any = self
        convolve = CONVOLVE[len(layer.padding)]
        out: Tensor = convolve(
            x, layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups
        )
        return out


class _Conv1d(PaddedConvolution, nn.Conv1d): ...


class _Conv2d(PaddedConvolution, nn.Conv2d): ...


class _Conv3d(PaddedConvolution, nn.Conv3d): ...


_CONV: dict[int, Any] = {1: _Conv1d, 2: _Conv2d, 3: _Conv3d}
CONV_TRANSPOSE: dict[int, Any] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
_BATCH_NORM: dict[int, Any] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}

_SCALED: dict[str, Any] = {
    "xavier": nn.init.xavier_normal_,
    "kaiming": nn.init.kaiming_normal_,
    "orthogonal": nn.init.orthogonal_,
}


def conv(dims: int, *args: Any, **kwargs: Any) -> nn.Module:
    """A convolution over ``dims`` axes."""
    layer: nn.Module = _CONV[dims](*args, **kwargs)
    return layer


def conv_transpose(dims: int, *args: Any, **kwargs: Any) -> nn.Module:
    """A transposed convolution over ``dims`` axes."""
    layer: nn.Module = CONV_TRANSPOSE[dims](*args, **kwargs)
    return layer


def norm_layers(kind: Norm, dims: int, channels: int, affine: bool = False) -> list[nn.Module]:
    """No layer or one: batch norm, or instance norm, with parameters if it is ``affine``;
    ``unbiased``: by the unbiased variance.
    """
    if kind == "none":
        return []
    if kind == "batch":
        return [_BATCH_NORM[dims](channels)]
    if kind == "unbiased":
        return [UnbiasedInstanceNorm(channels, affine=affine)]
    return [INSTANCE_NORM[dims](channels, affine=affine)]


def takes_bias(kind: Norm, affine: bool = False) -> bool:
    """Whether a convolution before this norm has a bias: norms with parameters bring their own.
    Handwritten ones leave it where it is."""
    return kind in ("none", "unbiased") or (kind == "instance" and not affine)


class LastingDropout(nn.Dropout):
    """Dropout that goes on after training, where it then drops the same of every sample.

    pix2pix knows no other noise (arXiv 1611.07004, section 3.2.2). Which values go depends neither
    on what is translated together nor on the device, so a translation can be made again.

    Args:
        p: Share of values to drop.
        place: Tells the layers of a network apart.
    """

    def __init__(self, p: float, place: int) -> None:
        super().__init__(p)
        self.place = place

    def forward(self, input: Tensor) -> Tensor:
        """``(batch, channels, *sizes)``, unchanged in shape."""
        if self.training:
            return super().forward(input)
        return input * self._kept(input).to(input) / (1 - self.p)

    def _kept(self, input: Tensor) -> Tensor:
        """``(channels, *sizes)`` bool: which values stay.

        A hash of their places, in whole numbers: unlike a generator's draws, an exported graph
        computes it for any size, and alike everywhere.
        """
        drawn = _hashed(torch.tensor(self.place % PRIME, device=input.device))
        for size in input.shape[1:]:
            drawn = _hashed(drawn.unsqueeze(-1) + torch.arange(size, device=input.device))
        return drawn >= round(self.p * PRIME)


def _hashed(numbers: Tensor) -> Tensor:
    """Whole numbers of either sign to ones in 0..``PRIME``, of which neighbours have nothing in
    common: a linear congruence (Park and Miller 1988), its fifth power, and another one.

    Different numbers stay different: 5 does not divide ``PRIME - 1``.
    """
    mixed = (numbers * 48_271 + 1_376_312_589) % PRIME
    squared = mixed * mixed % PRIME
    return (squared * squared % PRIME * mixed + 69_621) % PRIME


def dropout_layers(p: float, lasting: bool, place: int) -> list[nn.Module]:
    """No layer or one that drops a share ``p`` of values, after training too if it is lasting."""
    if not p:
        return []
    return [LastingDropout(p, place) if lasting else nn.Dropout(p)]


class Modulation(nn.Module):
    """``x * (1 + scale) + shift``, both of them linear in a condition: after a norm, that is
    conditional instance normalisation (Dumoulin et al., arXiv 1610.07629), or FiLM.

    Args:
        channels: Of the maps.
        condition: Numbers in a condition.
        rectified: ``x * relu(scale) + relu(shift)`` instead, as Augmented CycleGAN's code has it
            (arXiv 1802.10151).
    """

    takes_condition = True

    def __init__(self, channels: int, condition: int, rectified: bool = False) -> None:
        super().__init__()
        self.told = nn.Linear(condition, 2 * channels)
        self.rectified = rectified

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``(batch, channels, *sizes)`` and ``(batch, condition)`` in, the former's shape out."""
        told: Tensor = self.told(condition)
        told = told.view(*condition.shape[:1], -1, *(1,) * (x.dim() - 2))
        scale, shift = told.chunk(2, dim=1)
        if self.rectified:
            return x * scale.relu() + shift.relu()
        modulated: Tensor = x * (1 + scale) + shift
        return modulated


def told(layer: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """A layer's output; those that take a condition are told it."""
    takes = condition is not None and getattr(layer, "takes_condition", False)
    out: Tensor = layer(x, condition) if takes else layer(x)
    return out


class ToRange(nn.Module):
    """Squash onto ``low..high`` with tanh; pass through where the range is unbounded."""

    def __init__(self, bounds: tuple[float, float] | None) -> None:
        super().__init__()
        self.bounds = bounds

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        if self.bounds is None:
            return x
        low, high = self.bounds
        if (low, high) == (0.0, 1.0):
            return torch.sigmoid(x)
        return (
            (torch.tanh(x) + 1) * ((high - low) / 2) + low if low != -high else torch.tanh(x) * high
        )


def initialize(network: nn.Module, deviation: float = 0.02, method: Init = "normal") -> nn.Module:
    """Draw convolutions' weights, zero biases, draw norms' scales from N(1, deviation), those of
    handwritten norms from N(0, deviation), as published.

    Args:
        network: Changed in place.
        deviation: Of the norms' scales, and of the weights under ``normal``.
        method: ``normal``: N(0, deviation), from DCGAN (arXiv 1511.06434), as CycleGAN uses it.
            The others follow a layer's size: ``xavier`` keeps variances for linear units,
            ``kaiming`` for rectified ones (arXiv 1502.01852), ``orthogonal`` keeps lengths
            (arXiv 1312.6120). ``torch`` leaves what the layers were made with: uniform within
            one over the root of a unit's inputs, norms' scales at 1.

    Returns:
        The network.
    """
    if method == "torch":
        return network
    for module in network.modules():
        if isinstance(module, (*CONV.values(), *CONV_TRANSPOSE.values(), nn.Linear)):
            layer: Any = module
            if method == "normal":
                nn.init.normal_(layer.weight, 0.0, deviation)
            else:
                _SCALED[method](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(module, (_BatchNorm, _InstanceNorm)) and module.affine:
            start = 0.0 if isinstance(module, UnbiasedInstanceNorm) else 1.0
            nn.init.normal_(module.weight, start, deviation)
            nn.init.zeros_(module.bias)
    return network


def normalize_spectra(network: nn.Module) -> nn.Module:
    """Divide each convolution's weight by its largest singular value (arXiv 1802.05957), which
    training follows by one power iteration in each step."""
    for module in list(network.modules()):
        if isinstance(module, (*CONV.values(), *CONV_TRANSPOSE.values(), nn.Linear)):
            layer: Any = module
            rows = 1 if isinstance(module, tuple(CONV_TRANSPOSE.values())) else 0
            register_parametrization(layer, "weight", SpectralNorm(layer.weight, rows))
    return network


def is_per_sample(network: nn.Module) -> bool:
    """Whether a batch gives the same as its samples one by one, call after call.

    Batch statistics mix samples, and torch's spectral norm moves on with every call while training.
    """
    others = (module for module in network.modules() if not isinstance(module, SpectralNorm))
    return not any(
        isinstance(module, _BatchNorm) or type(module).__name__ in ("_SpectralNorm", "SpectralNorm")
        for module in others
    )
