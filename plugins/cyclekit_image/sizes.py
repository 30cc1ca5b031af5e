"""How large a picture may be: a small file that claims more is a decompression bomb."""

from cyclekit_image.arrays import Refusal

MOST_PIXELS = 89_478_485  # 256 MiB of RGB
MOST_VALUES = 4 * MOST_PIXELS


def require_size(width: int, height: int, channels: int = 1) -> None:
    """Raise ``Refusal`` where a picture would take too much memory."""
    if width * height > MOST_PIXELS:
        raise Refusal(f"{width} x {height} pixels are too many to be opened safely")
    if width * height * channels > MOST_VALUES:
        raise Refusal(
            f"{width} x {height} pixels of {channels} channels are too many to be opened safely"
        )
