"""Pictures: codec, metrics, built-in data. The networks are the engine's own, in two dimensions."""

from collections.abc import Iterator

from cyclekit.api import (
    PATCHGAN,
    PATCHGAN_SLOPES,
    PIXEL,
    RESNET,
    STARGAN,
    UNET_128,
    UNET_256,
    Family,
    Modality,
    Published,
    hookimpl,
)
from cyclekit_image import likeness, metrics
from cyclekit_image.codec import ImageCodec
from cyclekit_image.corruptions import CORRUPTIONS
from cyclekit_image.outlines import make_outlines
from cyclekit_image.planner import propose
from cyclekit_image.projected import PROJECTED
from cyclekit_image.shapes import make_kinds_of_shapes, make_paired_shapes, make_shapes


@hookimpl
def cyclekit_modality() -> Iterator[Modality]:
    """Offer the ``image`` modality."""
    yield Modality(
        name="image",
        api=2,
        summary="Pictures: PNG, JPEG, TIFF and others; 8 or 16 bits or floats; 1 to 64 channels",
        codec=ImageCodec,
        generators=(RESNET, UNET_128, UNET_256),
        discriminators=(PATCHGAN, PATCHGAN_SLOPES, PIXEL, PROJECTED, STARGAN),
        metrics=(*metrics.METRICS, *likeness.METRICS),
        baselines=(metrics.COLOUR,),
        datasets={
            "shapes": make_shapes,
            "shapes-paired": make_paired_shapes,
            "outlines": make_outlines,
            "shapes-kinds": make_kinds_of_shapes,
        },
        corruptions=CORRUPTIONS,
        metric_options=likeness.ImageMetricOptions,
        planner=propose,
    )


@hookimpl
def cyclekit_families(modality: str) -> Iterator[Family]:
    """Offer other people's networks for pictures."""
    from cyclekit_image.importing.families import FAMILIES

    if modality == "image":
        yield from FAMILIES


@hookimpl
def cyclekit_published(modality: str) -> Iterator[Published]:
    """Offer the generators that CycleGAN's and pix2pix's authors published."""
    from cyclekit_image.importing.zoo import PUBLISHED

    if modality == "image":
        yield from PUBLISHED
