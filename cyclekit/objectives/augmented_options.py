"""Options of the Augmented CycleGAN objective: codes, terms and their weights."""

from typing import Annotated

from pydantic import Field

from cyclekit import api
from cyclekit.nets.codes import CodeNorm, EncoderOptions
from cyclekit.objectives.cycle_options import RoundingOptions, SupervisedOptions, Weight


class CycleTermOptions(api.Options):
    """There and back again, with the code that was found on the way."""

    weight: Weight = 1.0
    """Weight each way."""


class CodeOptions(api.Options):
    """What a sample has that its counterpart does not decide."""

    size: Annotated[int, Field(ge=1, le=2**12)] = 16
    """Numbers in a code, which are drawn from N(0, 1)."""
    weight: Weight = 0.025
    """How much it counts that a code is found again in what was made with it: L1."""
    adversarial: Weight = 1.0
    """How much it counts that codes which are found look like codes which are drawn."""
    norm: CodeNorm = "none"
    """Of the discriminator of codes: `none`, or `batch` as published, with which two ranks are
    no longer one with twice the batch."""
    width: Annotated[int, Field(ge=1, le=2**12)] = 64
    """Of that network's layers."""
    both: bool = False
    """Codes for A as well, as the paper has them; else for B alone, as its code does."""


class AugmentedOptions(api.DistanceOptions):
    """The terms and their weights."""

    adversarial: api.RegularizedAdversarialOptions = api.RegularizedAdversarialOptions()
    cycle: CycleTermOptions = CycleTermOptions()
    code: CodeOptions = CodeOptions()
    encoder: EncoderOptions = EncoderOptions()
    supervised: SupervisedOptions = SupervisedOptions()
    rounding: RoundingOptions = RoundingOptions()
