"""What a check finds, and what it finds it with."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclekit.describe import describe_exception
from cyclekit.errors import BadSample, FailedSample


class Fault(Exception):  # noqa: N818 - what a check finds
    """One sentence about what breaks the contract, and what to change."""


def require(holds: bool, fault: str) -> None:
    """Raise ``Fault`` unless something holds."""
    if not holds:
        raise Fault(fault)


@contextmanager
def calling(what: str, advice: str = "") -> Iterator[None]:
    """Turn what a plugin's code raises into a fault that names the place, and what may help."""
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
        raise Fault(f"{what} raised {describe_exception(error)}.{advice}") from error


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
