"""Variations of what discriminators see: DiffAugment (arXiv 2006.10738), over any number of axes.

Few samples are soon known by heart; moved, covered and recoloured at random, they are not. Real
samples and fakes are varied alike and gradients pass, so that a generator learns no variation.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.step import Step
from cyclekit.errors import RecipeError


class AugmentationOptions(Options):
    """Vary what discriminators see, real samples and fakes alike (DiffAugment, arXiv 2006.10738),
    where there are so few samples that discriminators learn them by heart."""

    translation: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest shift along every axis, as a share of its size; zeros move in. Published: 0.125."""
    cutout: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Size of a hole of zeros along every axis, as a share of it. Published: 0.5."""
    colour: bool = False
    """Change brightness, contrast and, where channels are colours, saturation; needs values with a
    range."""

    @property
    def active(self) -> bool:
        """Whether anything is done at all."""
        return bool(self.translation or self.cutout or self.colour)


def augmented(
    x: Tensor, spec: TensorSpec, options: AugmentationOptions, step: Step, *words: str
) -> Tensor:
    """A batch varied, each sample by draws of its own; ``x`` itself where all is off.

    Args:
        x: ``(batch, channels, *sizes)``.
        spec: Of the samples.
        options: What is done to them.
        step: Each sample's chance comes from its seed, index and position.
        words: What the draws are for; other words, other draws.
    """
    if not options.active:
        return x
    dims = x.dim() - 2
    drawn = step.uniforms(x, 2 * dims + 3, "augmentation", *words)
    shifts, holes, colours = drawn[:, :dims], drawn[:, dims : 2 * dims], drawn[:, 2 * dims :]
    if options.colour:
        x = recoloured(x, spec, colours)
    if options.translation:
        x = shifted(x, options.translation, shifts)
    if options.cutout:
        x = covered(x, options.cutout, holes)
    return x


def shifted(x: Tensor, share: float, drawn: Tensor) -> Tensor:
    """Moved along every axis by up to ``share`` of its size, with zeros moving in.

    Args:
        x: ``(batch, channels, *sizes)``.
        share: 0..1.
        drawn: ``(batch, axes)``, uniform in 0..1.
    """
    for axis, size in enumerate(x.shape[2:]):
        most = round(share * size)
        shift = (drawn[:, axis] * (2 * most + 1)).floor().long() - most
        source = torch.arange(size, device=x.device) - shift[:, None]
        # Around the end and then blanked: each value moves to one place, and so does its gradient.
        index = _along(source.remainder(size), axis, x.dim()).expand_as(x)
        inside = _along((source >= 0) & (source < size), axis, x.dim())
        x = x.gather(axis + 2, index) * inside
    return x


def covered(x: Tensor, share: float, drawn: Tensor) -> Tensor:
    """Zeros in a box of ``share`` of every axis, which may stick out.

    Args:
        x: ``(batch, channels, *sizes)``.
        share: 0..1.
        drawn: ``(batch, axes)``, uniform in 0..1.
    """
    hole = torch.ones((), dtype=torch.bool, device=x.device)
    for axis, size in enumerate(x.shape[2:]):
        length = round(share * size)
        centre = (drawn[:, axis, None] * (size + 1 - length % 2)).floor()
        place = torch.arange(size, device=x.device) - centre + length // 2
        hole = hole & _along((place >= 0) & (place < length), axis, x.dim())
    return x * ~hole


def recoloured(x: Tensor, spec: TensorSpec, drawn: Tensor) -> Tensor:
    """Brighter or darker by up to a quarter of the range, then saturation, then contrast.

    Args:
        x: ``(batch, channels, *sizes)``.
        spec: Its range, and whether its channels are colours, whose saturation changes.
        drawn: ``(batch, 3)``, uniform in 0..1.

    Raises:
        RecipeError: If the range is unbounded.
    """
    if spec.range is None:
        raise RecipeError(
            "objective.augmentation.colour needs tensors with a range, but these are unbounded. "
            "Switch it off."
        )
    low, high = spec.range
    brightness, saturation, contrast = (
        drawn.to(x.dtype).view(-1, 3, *(1,) * (x.dim() - 1)).unbind(1)
    )
    x = x + (brightness - 0.5) * ((high - low) / 2)
    if spec.colours:
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * (2 * saturation)
    level = x.mean(dim=tuple(range(1, x.dim())), keepdim=True)
    return level + (x - level) * (contrast + 0.5)


def _along(values: Tensor, axis: int, dims: int) -> Tensor:
    """``(batch, size)`` to be broadcast along one axis of ``(batch, channels, *sizes)``."""
    shape = [1] * dims
    shape[0], shape[axis + 2] = values.shape
    return values.view(shape)
