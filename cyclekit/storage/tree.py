"""Nested states as safetensors and JSON: tensors in one file, all the rest in the other.

Both are read without running anything, unlike a pickle. Dictionaries, lists, tuples, numbers, text,
truth values, ``None`` and tensors come back as they were.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

TENSOR, LAID, TUPLE, ITEMS = "$tensor", "$strides", "$tuple", "$items"
MARKS = (TENSOR, LAID, TUPLE, ITEMS)


def save_tree(tree: Any, stem: Path) -> None:
    """Write a state to ``stem.safetensors`` and ``stem.json``.

    Raises:
        TypeError: If something in it is of no kind that comes back; says where.
    """
    tensors: dict[str, Tensor] = {}
    plain = _taken_apart(tree, "", tensors)
    save_file(tensors, stem.with_suffix(".safetensors"))
    stem.with_suffix(".json").write_text(json.dumps(plain), encoding="utf-8")


def load_tree(text: bytes, tensors: Mapping[str, Tensor]) -> Any:
    """What ``save_tree`` was given, from the contents of its two files.

    Raises:
        ValueError: If the text holds no such state.
    """
    try:
        return _put_together(json.loads(text), tensors)
    except (LookupError, TypeError, RuntimeError, RecursionError) as error:
        raise ValueError(f"it holds no state: {error!r:.100}") from error


def _taken_apart(tree: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, Tensor):
        # A copy: safetensors wants no two tensors that share memory, and no views.
        tensors[place] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        told = {TENSOR: place}
        # How it lies in memory decides on how it is computed with, to the last bit.
        return told if tree.is_contiguous() else told | {LAID: list(tree.stride())}
    if isinstance(tree, Mapping):
        items = [
            (key, _taken_apart(value, f"{place}.{key}", tensors)) for key, value in tree.items()
        ]
        if all(isinstance(key, str) and key not in MARKS for key, _ in items):
            return dict(items)
        if all(isinstance(key, (str, int)) for key, _ in items):
            return {ITEMS: items}
    if isinstance(tree, (list, tuple)):
        parts = [_taken_apart(part, f"{place}.{n}", tensors) for n, part in enumerate(tree)]
        return {TUPLE: parts} if isinstance(tree, tuple) else parts
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    kind = type(tree).__name__
    raise TypeError(f"{place.lstrip('.')} is of type {kind}, which no checkpoint can hold")


def _put_together(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(plain, list):
        return [_put_together(part, tensors) for part in plain]
    if not isinstance(plain, dict):
        return plain
    if TENSOR in plain:
        return _laid(tensors[plain[TENSOR]], plain.get(LAID))
    if TUPLE in plain:
        return tuple(_put_together(part, tensors) for part in plain[TUPLE])
    if ITEMS in plain:
        return {key: _put_together(value, tensors) for key, value in plain[ITEMS]}
    return {key: _put_together(value, tensors) for key, value in plain.items()}


def _laid(tensor: Tensor, strides: Any) -> Tensor:
    """The tensor in the order in which its axes lay in memory, densely."""
    if strides is None:
        return tensor
    if len(strides) != tensor.dim():
        raise ValueError(f"it gives {len(strides)} strides to {tensor.dim()} axes")
    axes = range(tensor.dim())
    order = sorted(axes, key=lambda axis: (-strides[axis], axis))
    back = sorted(axes, key=lambda axis: order[axis])
    return tensor.permute(order).contiguous().permute(back)
