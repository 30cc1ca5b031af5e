"""Pictures: codec, metrics, built-in data. The networks are the engine's own, in two dimensions."""

from collections.abc import Iterator

from cyclekit.api import PATCHGAN, RESNET, Modality, hookimpl
from cyclekit_image.codec import ImageCodec
from cyclekit_image.metrics import COLOUR, METRICS
from cyclekit_image.shapes import make_shapes


@hookimpl
def cyclekit_modality() -> Iterator[Modality]:
    """Offer the ``image`` modality."""
    yield Modality(
        name="image",
        api=1,
        summary="Pictures: PNG, JPEG, WebP, BMP, TIFF; 8 or 16 bits or floats; 1 to 64 channels",
        codec=ImageCodec,
        generators=(RESNET,),
        discriminators=(PATCHGAN,),
        metrics=METRICS,
        baselines=(COLOUR,),
        datasets={"shapes": make_shapes},
    )
