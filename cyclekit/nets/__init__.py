"""Networks for any number of dimensions, ready to be named in a ``Modality``."""

from cyclekit.contract.network import Network
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions
from cyclekit.nets.pixel import PixelDiscriminator, PixelOptions
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions
from cyclekit.nets.slopes import SlopesOptions, SlopesPatchGAN
from cyclekit.nets.stargan import StarGANDiscriminator, StarGANDiscriminatorOptions
from cyclekit.nets.unet import UNet128Options, UNetGenerator, UNetOptions

RESNET = Network(
    "resnet",
    ResNetGenerator,
    ResNetOptions,
    "Johnson et al.'s residual network, CycleGAN's own",
    takes=("condition", "taps"),
)
UNET_128 = Network(
    "unet_128", UNetGenerator, UNet128Options, "pix2pix's U-Net, for windows that divide by 128"
)
UNET_256 = Network(
    "unet_256", UNetGenerator, UNetOptions, "pix2pix's U-Net, for windows that divide by 256"
)
PATCHGAN = Network(
    "patchgan",
    PatchGAN,
    PatchGANOptions,
    "Fully convolutional; judges overlapping patches",
    takes=("classes",),
)
PATCHGAN_SLOPES = Network(
    "patchgan_slopes", SlopesPatchGAN, SlopesOptions, "Two patchgans: of values, of their slopes"
)
STARGAN = Network(
    "stargan",
    StarGANDiscriminator,
    StarGANDiscriminatorOptions,
    "StarGAN's: deep, without norms; names what it sees",
    takes=("classes",),
)
PIXEL = Network("pixel", PixelDiscriminator, PixelOptions, "Judges every position by itself")

__all__ = [
    "PATCHGAN",
    "PATCHGAN_SLOPES",
    "PIXEL",
    "RESNET",
    "STARGAN",
    "UNET_128",
    "UNET_256",
    "PatchGAN",
    "PatchGANOptions",
    "PixelDiscriminator",
    "PixelOptions",
    "ResNetGenerator",
    "ResNetOptions",
    "SlopesOptions",
    "SlopesPatchGAN",
    "StarGANDiscriminator",
    "StarGANDiscriminatorOptions",
    "UNetGenerator",
    "UNetOptions",
]
