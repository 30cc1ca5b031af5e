"""Pictures: codec, metrics, built-in data. The networks are the engine's own, in two dimensions."""

from collections.abc import Iterator

from cyclekit.api import PATCHGAN, RESNET, Modality, hookimpl
from cyclekit_image import likeness, metrics
from cyclekit_image.codec import ImageCodec
from cyclekit_image.shapes import make_shapes


@hookimpl
def cyclekit_modality() -> Iterator[Modality]:
    """Offer the ``image`` modality."""
    yield Modality(
        name="image",
        api=1,
        summary="Pictures: PNG, JPEG, WebP, BMP; RGB or grey",
        codec=ImageCodec,
        generators=(RESNET,),
        discriminators=(PATCHGAN,),
        metrics=(*metrics.METRICS, *likeness.METRICS),
        baselines=(metrics.COLOUR,),
        datasets={"shapes": make_shapes},
        metric_options=likeness.ImageMetricOptions,
    )
