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
    PreviewRow,
    Sample,
    TensorSpec,
    Translations,
)
from cyclekit.engine.cycle import CycleObjective
from cyclekit.engine.cycle_options import CycleOptions
from cyclekit.engine.objective import Direction, Losses, NetworkBuilder, Objective, Phase, Step
from cyclekit.errors import BadSample, CheckpointError, PluginError, RecipeError
from cyclekit.hookspecs import hookimpl
from cyclekit.nets import PATCHGAN, RESNET
from cyclekit.nets.blocks import (
    Norm,
    ToRange,
    conv,
    conv_transpose,
    initialize,
    norm_layers,
    normalize_spectra,
)
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions

__all__ = [
    "API_VERSION",
    "PATCHGAN",
    "RESNET",
    "BadSample",
    "Baseline",
    "CheckpointError",
    "Codec",
    "CycleObjective",
    "CycleOptions",
    "Direction",
    "Losses",
    "Media",
    "Metric",
    "Modality",
    "Network",
    "NetworkBuilder",
    "Norm",
    "Objective",
    "Options",
    "PatchGAN",
    "PatchGANOptions",
    "Phase",
    "PluginError",
    "PreviewRow",
    "RecipeError",
    "ResNetGenerator",
    "ResNetOptions",
    "Sample",
    "Step",
    "TensorSpec",
    "ToRange",
    "Translations",
    "conv",
    "conv_transpose",
    "hookimpl",
    "initialize",
    "norm_layers",
    "normalize_spectra",
]
