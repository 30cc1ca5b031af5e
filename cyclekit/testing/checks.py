"""What a check is: a name, the checks it builds on, and a function that finds fault."""

import math
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cyclekit.describe import describe_exception
from cyclekit.errors import BadSample, FailedSample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclekit.testing.subject import Subject

Finding = Callable[["Subject"], None]


class Fault(Exception):  # noqa: N818 - what a check finds
    """One sentence about what breaks the contract, and what to change."""


@dataclass(frozen=True)
class Check:
    """A rule of the contract.

    Attributes:
        name: Short.
        needs: Names of the checks without which this one makes no sense.
        find: Raises ``Fault`` if the rule is broken.
    """

    name: str
    needs: tuple[str, ...]
    find: Finding


CHECKS: dict[str, Check] = {}


def check(name: str, *needs: str) -> Callable[[Finding], Finding]:
    """Register a function as a check; those that it needs come before it."""
    assert all(need in CHECKS for need in needs), name

    def register(find: Finding) -> Finding:
        CHECKS[name] = Check(name, needs, find)
        return find

    return register


def require(holds: bool, fault: str) -> None:
    """Raise ``Fault`` unless something holds."""
    if not holds:
        raise Fault(fault)


@contextmanager
def calling(what: str) -> "Iterator[None]":
    """Turn what a plugin's code raises into a fault that names the place."""
    try:
        yield
    except Fault:
        raise
    except FailedSample as error:
        raise Fault(f"{what} raised an error. {error.call}: {error.fault}.") from error
    except BadSample as error:
        raise Fault(
            f"{what} refuses a usable file ({error}); raise BadSample for bad ones only."
        ) from error
    except NotImplementedError as error:
        raise Fault(f"{what} is not written yet.") from error
    except Exception as error:
        raise Fault(f"{what} raised {describe_exception(error)}.") from error


def is_plain(value: Any) -> bool:
    """Whether JSON can hold it, arrays and tensors aside."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str, np.ndarray, Tensor))


def finite(numbers: Iterable[float]) -> bool:
    """Whether every number is finite."""
    return all(math.isfinite(number) for number in numbers)


def same(one: Tensor, other: Tensor) -> bool:
    """Equal in shape, type and every number; NaN equals NaN."""
    return (
        one.shape == other.shape
        and one.dtype == other.dtype
        and torch.equal(one.nan_to_num(nan=-1e30), other.nan_to_num(nan=-1e30))
    )


def spread(tensor: Tensor) -> float:
    """Mean distance from the mean."""
    known = tensor[~tensor.isnan()].double()
    return (known - known.mean()).abs().mean().item()


def sizes(tensor: Tensor) -> tuple[int, ...]:
    """Shape without batch and channels."""
    return tuple(tensor.shape[2:])


def kind(thing: Any) -> str:
    """The name of its class."""
    return type(thing).__name__
