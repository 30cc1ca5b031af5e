"""Data that the plugins make themselves."""

from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.modality import Modality
from cyclekit.data.generated import made_root
from cyclekit.recipe.settings import DataSettings

MADE = {"image": "builtin:shapes", "audio": "builtin:speakers", "music": "builtin:charts"}


def make(modality: Modality, codec: Codec[Any], folder: Path) -> Path:
    """The root of a plugin's data, made in ``folder``."""
    root = made_root(
        DataSettings(root=MADE[modality.name]), modality, codec, folder / "data", ("a", "b")
    )
    assert root is not None
    return root
