"""The kinds of arithmetic that a run may use, as Lightning Fabric names them."""

from typing import Literal, get_args

Precision = Literal["auto", "32-true", "64-true", "bf16-mixed", "16-mixed"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
AUTO = "auto"
