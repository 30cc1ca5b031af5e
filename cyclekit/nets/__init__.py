"""Networks for any number of dimensions, ready to be named in a ``Modality``."""

from cyclekit.contract import Network
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions

RESNET = Network(
    "resnet", ResNetGenerator, ResNetOptions, "Johnson et al.'s residual network, CycleGAN's own"
)
PATCHGAN = Network(
    "patchgan", PatchGAN, PatchGANOptions, "Fully convolutional; judges overlapping patches"
)

__all__ = ["PATCHGAN", "RESNET", "PatchGAN", "PatchGANOptions", "ResNetGenerator", "ResNetOptions"]
