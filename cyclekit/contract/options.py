"""What every settings table is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of every settings table. An unknown key is an error; docstrings become descriptions."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    former_names: ClassVar[Mapping[str, str]] = {}
    """Settings that had another name: old -> new. In a recipe the old one still works, with a
    warning that says the new one. A subclass that renames more adds to its parent's."""


@dataclass(frozen=True)
class RunsCode:
    """Marks a setting that names a file whose loading runs code from it, such as TorchScript.

    ``file: Annotated[str, RunsCode()] = ""``. The file is loaded where a person named it; where a
    run or a recipe alone names it, training and translation end with the option that would.
    """
