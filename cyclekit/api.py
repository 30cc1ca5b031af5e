"""All that a plugin author imports."""

from cyclekit.contract.codec import Codec
from cyclekit.contract.declarations import Direction, Phase, Stream
from cyclekit.contract.metrics import Baseline, Estimate, Metric, Translations
from cyclekit.contract.modality import Modality
from cyclekit.contract.network import Network
from cyclekit.contract.options import Options, RunsCode
from cyclekit.contract.planning import Candidate, Survey
from cyclekit.contract.portable import Portable, PortablePart
from cyclekit.contract.previews import Media, PreviewRow
from cyclekit.contract.sequence import ItemSequence
from cyclekit.contract.tensors import Sample, TensorSpec
from cyclekit.engine.adversarial import discriminator_loss, fooling, generator_loss
from cyclekit.engine.augmentation import AugmentationOptions, augmented
from cyclekit.engine.distances import DistanceName, DistanceOptions, cross_entropy, distance, l1
from cyclekit.engine.functional import (
    call_batched,
    fill_gaps,
    require_shape,
    rounded,
    tap_widths,
    upcast,
)
from cyclekit.engine.history import HistoryBuffer
from cyclekit.engine.losses import (
    ADVERSARIAL_LOSSES,
    AdversarialLoss,
    AdversarialName,
)
from cyclekit.engine.network_builder import NetworkBuilder, Networks
from cyclekit.engine.objective import Objective
from cyclekit.engine.penalties import (
    Patches,
    RegularizationOptions,
    gradient_penalty,
    penalty_groups,
    zero_centred_penalty,
)
from cyclekit.engine.step import Batch, Step
from cyclekit.engine.terms import Losses, PartialLoss, Term, TermGroup, sum_terms
from cyclekit.errors import (
    BadSample,
    CheckpointError,
    DataError,
    PluginError,
    RecipeError,
    UsageError,
)
from cyclekit.extras import install_command
from cyclekit.hookspecs import hookimpl
from cyclekit.importing.family import Choices, Delivery, Family, Layout, Published, Slot
from cyclekit.judging.kernel import kernel_distance, kernel_estimate
from cyclekit.judging.trained_once import trained_once
from cyclekit.nets import PATCHGAN, PATCHGAN_SLOPES, PIXEL, RESNET, STARGAN, UNET_128, UNET_256
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
from cyclekit.nets.codes import CODE_DISCRIMINATOR, PAIR_ENCODER
from cyclekit.nets.patchgan import PatchDiscriminator, PatchGAN, PatchGANOptions
from cyclekit.nets.pixel import PixelDiscriminator, PixelOptions
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions
from cyclekit.nets.slopes import SlopesOptions, SlopesPatchGAN
from cyclekit.nets.unet import UNetGenerator, UNetOptions
from cyclekit.objectives.cycle import CycleObjective, Trip
from cyclekit.objectives.cycle_networks import DiscriminatorRole, Way
from cyclekit.objectives.cycle_options import (
    AdversarialOptions,
    CycleOptions,
    RegularizedAdversarialOptions,
)
from cyclekit.version import API_VERSION

__all__ = [
    "ADVERSARIAL_LOSSES",
    "API_VERSION",
    "CODE_DISCRIMINATOR",
    "PAIR_ENCODER",
    "PATCHGAN",
    "PATCHGAN_SLOPES",
    "PIXEL",
    "RESNET",
    "STARGAN",
    "UNET_128",
    "UNET_256",
    "AdversarialLoss",
    "AdversarialName",
    "AdversarialOptions",
    "AugmentationOptions",
    "BadSample",
    "Baseline",
    "Batch",
    "Candidate",
    "CheckpointError",
    "Choices",
    "Codec",
    "CycleObjective",
    "CycleOptions",
    "DataError",
    "Delivery",
    "Direction",
    "DiscriminatorRole",
    "DistanceName",
    "DistanceOptions",
    "Estimate",
    "Family",
    "HistoryBuffer",
    "Init",
    "ItemSequence",
    "Layout",
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
    "PartialLoss",
    "PatchDiscriminator",
    "PatchGAN",
    "PatchGANOptions",
    "Patches",
    "Phase",
    "PixelDiscriminator",
    "PixelOptions",
    "PluginError",
    "Portable",
    "PortablePart",
    "PreviewRow",
    "Published",
    "RecipeError",
    "RegularizationOptions",
    "RegularizedAdversarialOptions",
    "ResNetGenerator",
    "ResNetOptions",
    "RunsCode",
    "Sample",
    "SlopesOptions",
    "SlopesPatchGAN",
    "Slot",
    "Step",
    "Stream",
    "Survey",
    "TensorSpec",
    "Term",
    "TermGroup",
    "ToRange",
    "Translations",
    "Trip",
    "UNetGenerator",
    "UNetOptions",
    "UsageError",
    "Way",
    "augmented",
    "call_batched",
    "conv",
    "conv_transpose",
    "cross_entropy",
    "discriminator_loss",
    "distance",
    "fill_gaps",
    "fooling",
    "generator_loss",
    "gradient_penalty",
    "hookimpl",
    "initialize",
    "install_command",
    "kernel_distance",
    "kernel_estimate",
    "l1",
    "norm_layers",
    "normalize_spectra",
    "penalty_groups",
    "require_shape",
    "rounded",
    "sum_terms",
    "tap_widths",
    "trained_once",
    "upcast",
    "zero_centred_penalty",
]
