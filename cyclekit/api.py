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
    RunsCode,
    Sample,
    TensorSpec,
    Translations,
)
from cyclekit.engine.cycle import CycleObjective
from cyclekit.engine.cycle_options import CycleOptions
from cyclekit.engine.objective import (
    Direction,
    Losses,
    NetworkBuilder,
    Objective,
    Part,
    Phase,
    Step,
)
from cyclekit.errors import (
    BadSample,
    CheckpointError,
    DataError,
    PluginError,
    RecipeError,
    UsageError,
)
from cyclekit.hookspecs import hookimpl
from cyclekit.importing.family import Choices, Delivery, Family, Layout, Published, Slot
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

__all__ = [
    "API_VERSION",
    "PATCHGAN",
    "PATCHGAN_SLOPES",
    "PIXEL",
    "RESNET",
    "UNET_128",
    "UNET_256",
    "BadSample",
    "Baseline",
    "CheckpointError",
    "Choices",
    "Codec",
    "CycleObjective",
    "CycleOptions",
    "DataError",
    "Delivery",
    "Direction",
    "Family",
    "Init",
    "Layout",
    "Losses",
    "Media",
    "Metric",
    "Modality",
    "Network",
    "NetworkBuilder",
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
    "PreviewRow",
    "Published",
    "RecipeError",
    "ResNetGenerator",
    "ResNetOptions",
    "RunsCode",
    "Sample",
    "SlopesOptions",
    "SlopesPatchGAN",
    "Slot",
    "Step",
    "TensorSpec",
    "ToRange",
    "Translations",
    "UNetGenerator",
    "UNetOptions",
    "UsageError",
    "conv",
    "conv_transpose",
    "hookimpl",
    "initialize",
    "norm_layers",
    "normalize_spectra",
    "trained_once",
]
