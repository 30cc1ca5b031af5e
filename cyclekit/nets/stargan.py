"""StarGAN's discriminator (Choi et al., arXiv 1711.09020, table 5), over 1, 2 or 3 dimensions."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.errors import RecipeError
from cyclekit.nets.blocks import Init, conv, initialize


class StarGANDiscriminatorOptions(Options):
    """A discriminator without norms that also names what it sees."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width after the first convolution; doubled by each further one."""
    layers: Annotated[int, Field(ge=1, le=12)] = 6
    """Halvings."""
    negative_slope: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Slope of activations below zero."""
    last_map: Annotated[int, Field(ge=1, le=64)] = 2
    """Positions that the last map of a training window has along each axis, all of which the
    classification sees at once: a window's size, halved `layers` times. 2 for 128 px as published.
    Of a larger map it takes the mean over all places."""
    init: Init = "torch"
    """First weights: `torch`, PyTorch's own (as published), `normal`, `xavier`, `kaiming` or
    `orthogonal`."""


class StarGANDiscriminator(nn.Module):
    """Map ``(batch, channels, *sizes)`` to one logit for each patch, ``(batch, 1, *fewer)``.

    Args:
        source: Spec of the tensors to judge.
        target: Spec of the logits.
        options: Width and depth.
        classes: Further logits for the whole sample; where there are some, it returns a pair,
            ``(batch, 1, *fewer)`` and ``(batch, classes)``.
    """

    def __init__(
        self,
        source: TensorSpec,
        target: TensorSpec,
        options: StarGANDiscriminatorOptions,
        classes: int = 0,
    ) -> None:
        super().__init__()
        dims = source.dims
        widths = [options.channels * 2**n for n in range(options.layers)]
        layers: list[nn.Module] = []
        for seen, width in pairwise((source.channels, *widths)):
            layers.append(conv(dims, seen, width, 4, stride=2, padding=1))
            layers.append(nn.LeakyReLU(options.negative_slope))
        self.layers = nn.Sequential(*layers)
        self.judge = conv(dims, widths[-1], target.channels, 3, padding=1, bias=False)
        self.last_map = options.last_map
        self.classify = (
            conv(dims, widths[-1], classes, options.last_map, bias=False) if classes else None
        )
        initialize(self, method=options.init)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """See the class.

        Raises:
            RecipeError: If the last map is smaller than the options say.
        """
        seen = self.layers(x)
        logits: Tensor = self.judge(seen)
        if self.classify is None:
            return logits
        if min(seen.shape[2:]) < self.last_map:
            raise RecipeError(
                f"discriminator.last_map is {self.last_map}, but the last map of a window of "
                f"{tuple(x.shape[2:])} has {tuple(seen.shape[2:])}. Set it to a window's size, "
                f"halved discriminator.layers times."
            )
        return logits, self.classify(seen).flatten(2).mean(2)
