"""Any picture that somebody has as an item, and items with another number of channels."""

from dataclasses import replace

import numpy as np
from PIL import Image

from cyclekit_image.arrays import (
    HIGHEST,
    MODES,
    Array,
    Item,
    Refusal,
    as_item,
    as_pixels,
    count_channels,
)
from cyclekit_image.origin import (
    CONVERTED,
    UNUSABLE,
    Origin,
    orientation_of,
    origin_of,
    with_origin,
)
from cyclekit_image.profiles import Unusable, is_srgb, to_srgb

# ITU-R 601-2, as Pillow's own conversion has it.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

TURN = Image.Transpose
UPRIGHT = {
    2: TURN.FLIP_LEFT_RIGHT,
    3: TURN.ROTATE_180,
    4: TURN.FLIP_TOP_BOTTOM,
    5: TURN.TRANSPOSE,
    6: TURN.ROTATE_270,
    7: TURN.TRANSVERSE,
    8: TURN.ROTATE_90,
}
"""How Pillow undoes a camera's orientation."""


def plain_item(picture: Item) -> Item:
    """The picture as the plugin's items are: upright, in sRGB, one of their modes or types.

    Args:
        picture: PIL's in any mode, or an array ``(height, width)`` or ``(height, width, channels)``
            of uint8, uint16 or floating-point numbers in 0..1.

    Raises:
        Refusal: Says what is wrong with it.
    """
    if isinstance(picture, Image.Image):
        before = origin_of(picture)
        item, origin = plain_pil(picture, before)
        if item is picture and origin == before:
            return item
        return with_origin(item.copy() if item is picture else item, origin)
    if not isinstance(picture, np.ndarray):
        raise Refusal(f"is no picture: a PIL picture or an array is wanted, not {picture!r:.80}")
    if picture.ndim not in (2, 3) or 0 in picture.shape:
        raise Refusal(f"is an array of shape {picture.shape}; (height, width, channels) is wanted")
    origin = origin_of(picture)
    picture = as_pixels(picture)
    if picture.dtype.kind == "f":
        picture = picture.astype(np.float32, copy=False)
        require_range(picture, (0.0, 1.0), "arrays of floating-point numbers lie in 0..1")
    picture = picture.astype(picture.dtype.newbyteorder("="), copy=False)
    if picture.dtype.name not in HIGHEST:
        raise Refusal(
            f"is an array of {picture.dtype.name}; uint8, uint16 or floating-point numbers in 0..1 "
            f"are wanted"
        )
    return with_origin(picture, origin)


def plain_pil(picture: Image.Image, origin: Origin) -> tuple[Item, Origin]:
    """One of PIL's pictures as ``plain_item`` returns it, and what is left of its origin.

    Raises:
        Refusal: Says what is wrong with it.
    """
    told = orientation_of(picture) if picture.format == "TIFF" else 1
    picture.load()  # whereby Pillow turns a TIFF itself
    orientation = orientation_of(picture)
    origin = origin.turned(max(told, orientation))
    if orientation != 1:
        picture = picture.transpose(UPRIGHT[orientation])
    if picture.mode in ("CMYK", "LAB"):
        return _inks_in_srgb(picture, origin)
    return in_srgb(_in_plain_mode(picture), origin)


def in_srgb(item: Item, origin: Origin) -> tuple[Item, Origin]:
    """Grey or colours as a viewer shows them; a profile that says sRGB stays with the picture.

    Floating-point numbers keep their profile: they are what somebody has measured.
    """
    channels = count_channels(item)
    if not origin.profile or channels not in MODES:
        return item, origin
    pixels = as_pixels(item)
    space, colours = ("gray", 1) if channels < 3 else ("rgb", 3)
    if pixels.dtype.kind == "f":
        return item, origin
    try:
        if is_srgb(origin.profile, space):
            return item, origin
        made = to_srgb(pixels[..., :colours], space, origin.profile)
    except Unusable:
        return item, replace(origin, profile=b"").noticing(UNUSABLE)
    if colours < channels:
        made = np.concatenate([made, pixels[..., colours:]], axis=2)
    return as_item(made), replace(origin, profile=b"").noticing(CONVERTED)


def with_channels(item: Item, wanted: int, key: str, colours: bool = True) -> Item:
    """The picture in ``wanted`` channels.

    Grey and colour are converted into each other; transparency is kept where 2 or 4 channels are
    wanted, complete opacity added where it is missing, and laid on white otherwise.

    Args:
        item: As ``plain_item`` returns it.
        wanted: How many channels.
        key: The setting that says so.
        colours: Whether one to four channels are grey or colours, with or without transparency.

    Raises:
        Refusal: If it has another number, and one of the two does not mean colours.
    """
    found = count_channels(item)
    if found == wanted:
        return item
    if not colours or found not in MODES or wanted not in MODES:
        raise Refusal(f"has {found} channel{'' if found == 1 else 's'}; {key} says {wanted}")
    if isinstance(item, Image.Image):
        return with_origin(_converted(item, MODES[wanted]), origin_of(item))
    return with_origin(_convert_array(as_pixels(item), wanted), origin_of(item))


def require_range(values: Array, bounds: tuple[float, float], remedy: str) -> None:
    """Raise ``Refusal`` unless every value is a number within ``bounds``."""
    low, high = (np.float32(bound) for bound in bounds)
    least, most = values.min(), values.max()  # NaN if there is one
    if not (np.isfinite(least) and np.isfinite(most)):
        raise Refusal("holds values that are no finite numbers")
    if least < low or most > high:
        raise Refusal(f"holds values from {least:g} to {most:g}: {remedy}")


def unpremultiplied(pixels: Array) -> Array:
    """Colours that were multiplied by the alpha behind them, as they were before."""
    highest = HIGHEST[pixels.dtype.name]
    values = pixels.astype(np.float32)
    values[..., :-1] /= np.maximum(values[..., -1:] / highest, 1e-6)
    return _quantised(values, pixels)


def _inks_in_srgb(picture: Image.Image, origin: Origin) -> tuple[Item, Origin]:
    """CMYK and Lab in RGB: by their profile, else as Pillow does it."""
    shown = None
    if origin.profile:
        values = np.array(picture)
        if picture.mode == "LAB":
            values[..., 1:] ^= 0x80  # Pillow has these two signed, profiles have not
        try:
            shown = as_item(to_srgb(values, picture.mode.lower(), origin.profile))
            origin = origin.noticing(CONVERTED)
        except Unusable:
            origin = origin.noticing(UNUSABLE)
    return shown or picture.convert("RGB"), replace(origin, profile=b"")


def _in_plain_mode(picture: Image.Image) -> Item:
    mode = picture.mode
    if mode.startswith("I"):  # 16 bits, or 32 that hold no more
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > HIGHEST["uint16"]:
            raise Refusal("holds 32-bit integers; 16 bits or floating-point numbers are wanted")
        return values.astype(np.uint16)[..., None]
    if mode == "F":
        return plain_item(np.asarray(picture))
    if picture.has_transparency_data:
        grey = mode in ("LA", "La")
        return picture if mode in ("LA", "RGBA") else picture.convert("LA" if grey else "RGBA")
    wanted = "L" if mode in ("1", "L") else "RGB"
    return picture if mode == wanted else picture.convert(wanted)


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    if mode in ("LA", "RGBA"):
        return picture.convert("RGBA").convert(mode)
    if "A" in picture.getbands():
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert(mode)


def _convert_array(pixels: Array, wanted: int) -> Array:
    """As ``_converted``, in the array's own type."""
    highest = HIGHEST[pixels.dtype.name]
    has_alpha, has_colour = (pixels.shape[2] in kinds for kinds in ((2, 4), (3, 4)))
    keep_alpha, keep_colour = (wanted in kinds for kinds in ((2, 4), (3, 4)))
    alpha = pixels[..., -1:] if has_alpha else np.full_like(pixels[..., :1], highest)
    values = pixels[..., :-1] if has_alpha else pixels
    if has_alpha and not keep_alpha:
        share = alpha.astype(np.float32) / highest
        values = _quantised(values * share + highest * (1 - share), pixels)
    if has_colour and not keep_colour:
        values = _quantised(values.astype(np.float32) @ LUMA[:, None], pixels)
    elif keep_colour and not has_colour:
        values = values.repeat(3, axis=2)
    return np.concatenate([values, alpha], axis=2) if keep_alpha else values


def _quantised(values: Array, like: Array) -> Array:
    """Rounded where the type has no fractions, within the range."""
    highest = HIGHEST[like.dtype.name]
    if highest > 1:
        values = values.round()
    return values.clip(0, highest).astype(like.dtype)
