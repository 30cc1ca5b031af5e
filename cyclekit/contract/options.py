"""What every settings table is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

NO_NUMBER = PydanticCustomError("no_number", "expected a number")


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

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, values: Any) -> Any:
        fields = cls.model_fields if isinstance(values, Mapping) else {}
        faults = [
            InitErrorDetails(type=NO_NUMBER, loc=(name,), input=values[name])
            for name, field in fields.items()
            if isinstance(values.get(name), bool)
            and _takes(field.annotation, int, float)
            and not _takes(field.annotation, bool)
        ]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return values


def _takes(annotation: Any, *types: type) -> bool:
    """Whether a setting may be of one of these types, by itself and not as part of a list."""
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return any(_takes(each, *types) for each in get_args(annotation))
    if get_origin(annotation) is Literal:
        return any(isinstance(value, types) for value in get_args(annotation))
    return annotation in types


@dataclass(frozen=True)
class RunsCode:
    """Marks a setting that names a file whose loading runs code from it, such as TorchScript.

    ``file: Annotated[str, RunsCode()] = ""``. The file is loaded where a person named it; where a
    run or a recipe alone names it, training and translation end with the option that would.
    """
