"""Questions about the names in a checkpoint."""

import re
from collections.abc import Mapping

from torch import Tensor


def places(weights: Mapping[str, Tensor], pattern: str) -> list[int]:
    """The numbers that a pattern's first group finds in keys, in order, each once."""
    return sorted({int(found[1]) for key in weights if (found := re.match(pattern, key))})
