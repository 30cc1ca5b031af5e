"""The networks in a checkpoint: found among all else, their keys and weights put in order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cyclekit.errors import CheckpointError

Weights = dict[str, Tensor]

WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
COUNTERS = ("n_averaged",)  # of torch's own averages
NO_NETWORKS = re.compile(r"optim|sched|scaler|^amp$|pool|param_groups|loss", re.IGNORECASE)
AVERAGES = re.compile(r"(^|_)ema(_|$)", re.IGNORECASE)
OF_SEVERAL = re.compile(
    r"(?:net|model)?_?(?:g|d|f|gen|disc|generator|discriminator)(?:_?(?:[abxyhz]{1,2}|[ab]2[ab]))?",
    re.IGNORECASE,
)
BY_DOMAIN = ("generators", "discriminators")
LONGEST_KEY = 300  # characters


@dataclass(frozen=True)
class Found:
    """A network's weights as they were saved.

    Attributes:
        place: Where in the file: the names on the way, nothing where the file is the network.
        weights: By the peer's names, without wrappers; norms of weights are multiplied in.
        dropped: What was left out, in words.
        assumed: What was taken for granted, in words.
    """

    place: tuple[str, ...]
    weights: Weights
    dropped: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


def unwrap(tree: Any, name: str) -> tuple[list[Found], list[str]]:
    """Every network in what a file holds.

    Args:
        tree: Of a ``Source``.
        name: The file's, for messages.

    Returns:
        The networks, and what else there was, in words.

    Raises:
        CheckpointError: If there is none.
    """
    candidates, others = list(_state_dicts(tree, ())), list(_no_networks(tree))
    averages = [c for c in candidates if any(map(AVERAGES.search, c[0]))]
    plain = [c for c in candidates if c not in averages]
    if plain and averages:  # whoever saves both loads the plain one
        others += [f"{_dotted(place)} (an average of the weights)" for place, _ in averages]
        candidates = plain
    found = [
        _in_order(place, weights)
        for place, state in candidates
        for place, weights in _by_network(place, _unwrapped(state, name))
    ]
    for _, state in candidates:
        no_tensors = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
        others += [f"{key[:LONGEST_KEY]} (no tensor)" for key in no_tensors[:10]]
    if not found:
        raise CheckpointError(
            f"{name} holds no network: expected a dictionary of tensors by name, as "
            f"network.state_dict() gives it, or some of them in a dictionary."
        )
    return found, others


def _state_dicts(tree: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Dictionaries that hold tensors and no further dictionaries, with their places."""
    if not isinstance(tree, Mapping) or len(place) > 4:
        return
    inner = {key: value for key, value in tree.items() if isinstance(value, Mapping)}
    if not inner:
        if any(isinstance(value, Tensor) for value in tree.values()):
            yield place, tree
        return
    for key, value in inner.items():
        if isinstance(key, str) and not NO_NETWORKS.search(key):
            yield from _state_dicts(value, (*place, key))


def _no_networks(tree: Any) -> Iterator[str]:
    """What a checkpoint holds besides networks, at its top."""
    if isinstance(tree, Mapping) and any(isinstance(value, Mapping) for value in tree.values()):
        for key, value in tree.items():
            if isinstance(key, str) and (NO_NETWORKS.search(key) or not isinstance(value, Mapping)):
                yield key[:LONGEST_KEY]


def _unwrapped(state: Mapping[Any, Any], name: str) -> Weights:
    """Tensors by name, without what wrappers put before each name."""
    weights = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    odd = [key for key in state if not isinstance(key, str) or len(key) > LONGEST_KEY]
    if odd:
        raise CheckpointError(f"{name}: {str(odd[0])[:50]!r} is no name of a tensor.")
    for counter in COUNTERS:
        weights.pop(counter, None)
    stripped = True
    while stripped and weights:
        stripped = False
        for wrapper in WRAPPERS:
            if all(key.startswith(wrapper) for key in weights):
                weights = {key.removeprefix(wrapper): value for key, value in weights.items()}
                stripped = True
    return weights


def _by_network(
    place: tuple[str, ...], weights: Weights
) -> Iterator[tuple[tuple[str, ...], Weights]]:
    """One dictionary's networks, where it holds several that are told apart by prefixes."""
    parts: dict[tuple[str, ...], Weights] = {}
    for key, value in weights.items():
        first, _, rest = key.partition(".")
        prefix: tuple[str, ...] = (first,)
        if first in BY_DOMAIN:
            domain, _, rest = rest.partition(".")
            prefix = (first, domain)
        elif not OF_SEVERAL.fullmatch(first):
            yield place, weights
            return
        parts.setdefault(prefix, {})[rest] = value
    for prefix, part in parts.items():
        yield (*place, *prefix), part


def _in_order(place: tuple[str, ...], weights: Weights) -> Found:
    found = Found(place, dict(weights))
    if count := _fold_spectral_norms(found.weights):
        found.assumed.append(f"{count} weights divided by their spectral norms, as after training")
    if count := _fold_weight_norms(found.weights):
        found.assumed.append(f"{count} weight norms multiplied in: the same function")
    return found


def _fold_spectral_norms(weights: Weights) -> int:
    """``weight_orig``, ``weight_u``, ``weight_v`` -> ``weight``, as evaluation mode has it."""
    count = 0
    for name in [key.removesuffix("_orig") for key in weights if key.endswith(".weight_orig")]:
        parts = [weights.get(name + suffix) for suffix in ("_orig", "_u", "_v")]
        if not _are_real(parts):
            continue
        weight, u, v = (part.float() for part in parts if part is not None)
        # Of transposed convolutions the second axis is that of the outputs.
        for matrix in (weight, weight.transpose(0, 1)) if weight.dim() > 1 else ():
            rows = matrix.flatten(1)
            if tuple(rows.shape) == (u.numel(), v.numel()):
                weights[name] = weight / torch.dot(u.flatten(), torch.mv(rows, v.flatten()))
                for suffix in ("_orig", "_u", "_v"):
                    del weights[name + suffix]
                count += 1
                break
    return count


def _fold_weight_norms(weights: Weights) -> int:
    """``weight_g`` and ``weight_v`` (or torch's newer names) -> ``weight`` (arXiv 1602.07868)."""
    newer = ".parametrizations.weight.original"
    count = 0
    for key in list(weights):
        for of_length, of_direction in ((".weight_g", ".weight_v"), (f"{newer}0", f"{newer}1")):
            layer = key.removesuffix(of_length)
            parts = [weights.get(key), weights.get(layer + of_direction)]
            if layer == key or not _are_real(parts):
                continue
            length, direction = (part.float() for part in parts if part is not None)
            axes = [axis for axis, size in enumerate(length.shape) if size == 1]
            kept = [size for axis, size in enumerate(direction.shape) if axis not in axes]
            # Where an axis of the weight has one position, the norm is over that as well.
            if axes and [size for size in length.shape if size != 1] == kept:
                size = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
                weights[f"{layer}.weight"] = length * direction / size
                del weights[key], weights[layer + of_direction]
                count += 1
    return count


def _are_real(parts: Sequence[Tensor | None]) -> bool:
    """Whether all are there, are floating-point numbers, and hold something."""
    return all(part is not None and part.is_floating_point() and part.numel() for part in parts)


def _dotted(place: tuple[str, ...]) -> str:
    return ".".join(place)
