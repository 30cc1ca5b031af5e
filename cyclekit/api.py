"""All that a plugin author imports."""

from cyclekit import API_VERSION
from cyclekit.contract import (
    Baseline,
    Codec,
    Media,
    Metric,
    Modality,
    Network,
    Options,
    Portable,
    PreviewRow,
    RunsCode,
    Sample,
    TensorSpec,
    Translations,
)
from cyclekit.engine.augmentation import AugmentationOptions, augmented
from cyclekit.engine.history import HistoryBuffer
from cyclekit.engine.losses import (
    ADVERSARIAL_LOSSES,
    AdversarialLoss,
    AdversarialName,
    gradient_penalty,
)
from cyclekit.engine.objective import (
    Batch,
    Direction,
    Losses,
    NetworkBuilder,
    Networks,
    Objective,
    Part,
    Phase,
    Step,
    Stream,
    Term,
    TermGroup,
    added,
)
from cyclekit.engine.terms import called, filled, full, l1, tap_widths
from cyclekit.errors import BadSample, CheckpointError, PluginError, RecipeError
from cyclekit.hookspecs import hookimpl
from cyclekit.judging.kept import trained_once
from cyclekit.nets import PATCHGAN, PATCHGAN_SLOPES, PIXEL, RESNET, UNET_128, UNET_256
from cyclekit.nets.blocks import (
    Init,
    Norm,
    ToRange,
    conv,
    conv_transpose,
    initialize,
    norm_layers,
    normalize_spectra,
)
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions
from cyclekit.nets.pixel import PixelDiscriminator, PixelOptions
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions
from cyclekit.nets.slopes import SlopesOptions, SlopesPatchGAN
from cyclekit.nets.unet import UNetGenerator, UNetOptions
from cyclekit.objectives.cycle import CycleObjective, Judge, Trip, Way
from cyclekit.objectives.cycle_options import CycleOptions

__all__ = [
    "ADVERSARIAL_LOSSES",
    "API_VERSION",
    "PATCHGAN",
    "PATCHGAN_SLOPES",
    "PIXEL",
    "RESNET",
    "UNET_128",
    "UNET_256",
    "AdversarialLoss",
    "AdversarialName",
    "AugmentationOptions",
    "BadSample",
    "Baseline",
    "Batch",
    "CheckpointError",
    "Codec",
    "CycleObjective",
    "CycleOptions",
    "Direction",
    "HistoryBuffer",
    "Init",
    "Judge",
    "Losses",
    "Media",
    "Metric",
    "Modality",
    "Network",
    "NetworkBuilder",
    "Networks",
    "Norm",
    "Objective",
    "Options",
    "Part",
    "PatchGAN",
    "PatchGANOptions",
    "Phase",
    "PixelDiscriminator",
    "PixelOptions",
    "PluginError",
    "Portable",
    "PreviewRow",
    "RecipeError",
    "ResNetGenerator",
    "ResNetOptions",
    "RunsCode",
    "Sample",
    "SlopesOptions",
    "SlopesPatchGAN",
    "Step",
    "Stream",
    "TensorSpec",
    "Term",
    "TermGroup",
    "ToRange",
    "Translations",
    "Trip",
    "UNetGenerator",
    "UNetOptions",
    "Way",
    "added",
    "augmented",
    "called",
    "conv",
    "conv_transpose",
    "filled",
    "full",
    "gradient_penalty",
    "hookimpl",
    "initialize",
    "l1",
    "norm_layers",
    "normalize_spectra",
    "tap_widths",
    "trained_once",
]
