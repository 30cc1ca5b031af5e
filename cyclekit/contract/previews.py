"""What a preview is made of: the items on their way, and the files that show them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from torch import Tensor

from cyclekit.contract.tensors import Item
from cyclekit.names import heading


@dataclass(frozen=True)
class Media:
    """A preview that ``Codec.render`` wrote; the engine routes it to TensorBoard by its kind.

    Attributes:
        title: Shown above it; stays the same from step to step.
        path: The file for people.
        image: ``(3, height, width)`` uint8, when the preview is a picture.
        audio: ``(samples,)`` float in -1..1, when it is a sound.
        sample_rate: Of ``audio``, in Hz.
    """

    title: str
    path: Path
    image: Tensor | None = None
    audio: Tensor | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class PreviewRow(Generic[Item]):
    """One test item on its way there and back, ready to be shown.

    Attributes:
        name: The file's name without folder, cut where it is very long.
        source: Domain of the real item.
        target: Domain it was translated to.
        real: The item as it was read.
        translated: The generator's output.
        cycled: The output translated back; ``None`` where there is no way back.
        truth: The item's twin in the target domain, where the test set is paired.
    """

    name: str
    source: str
    target: str
    real: Item
    translated: Item
    cycled: Item | None
    truth: Item | None = None

    @property
    def labelled(self) -> dict[str, Item]:
        """What there is to see, under headings such as "real A", "A to B", "A to B to A"."""
        a, b = heading(self.source), heading(self.target)
        items = {
            f"real {a}": self.real,
            f"{a} to {b}": self.translated,
            f"{a} to {b} to {a}": self.cycled,
            f"truth {b}": self.truth,
        }
        return {heading: item for heading, item in items.items() if item is not None}
