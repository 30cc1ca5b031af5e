"""CycleGAN-VC's objective: the engine's, and frames that generators have to fill in."""

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from cyclekit.api import CycleObjective, CycleOptions, Options, Step, TensorSpec


class FrameMaskOptions(Options):
    """Filling in frames (MaskCycleGAN-VC, arXiv 2102.12841): a stretch of the source is blanked,
    and the generator, told which, has to make it up on the first hop of the cycle."""

    longest: Annotated[int, Field(ge=0)] = 0
    """Frames of the longest stretch; each sample's length is drawn from 0 to this. 0: off, and
    generators get no mask."""


class VoiceOptions(CycleOptions):
    """The terms and their weights."""

    frame_mask: FrameMaskOptions = FrameMaskOptions()


class VoiceObjective(CycleObjective):
    """``CycleObjective`` whose generators may see a second channel: 1 where frames are given."""

    name = "cycle-vc"
    summary = "CycleGAN for voices, with frames to fill in (MaskCycleGAN-VC)"
    replayable = True
    Options = VoiceOptions
    options: VoiceOptions

    def input_spec(self, spec: TensorSpec) -> TensorSpec:
        """One more channel where frames are masked."""
        return replace(spec, channels=spec.channels + 1) if self._longest else spec

    def prepare(self, x: Tensor, domain: str, purpose: str, step: Step | None) -> Tensor:
        """Blank frames of real samples on their way out; append the mask."""
        if not self._longest:
            return x
        mask = torch.ones_like(x[:, :1])
        if purpose == "translate" and step is not None:
            mask = mask * self._stretch(x, domain, step)
        return torch.cat([x * mask, mask], dim=1)

    def _stretch(self, x: Tensor, domain: str, step: Step) -> Tensor:
        """``(batch, 1, 1, frames)``: 0 in one stretch of each sample."""
        frames = x.shape[-1]
        longest = min(self._longest, frames)
        length = (step.uniform(x, "mask", domain) * (longest + 1)).floor()
        start = (step.uniform(x, "mask start", domain) * (frames - length + 1)).floor()
        frame = torch.arange(frames, device=x.device)
        first, beyond = start[:, None], (start + length)[:, None]
        given = (frame < first) | (frame >= beyond)
        return given[:, None, None].to(x.dtype)

    @property
    def _longest(self) -> int:
        return self.options.frame_mask.longest
