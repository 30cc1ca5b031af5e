"""A peer's tensors into the network here that is the same, every one used or named."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from cyclekit.contract.network import Network
from cyclekit.describe import describe_exception
from cyclekit.errors import CyclekitError, UsageError
from cyclekit.importing.family import OWN_PARTS, Choices, Layout, Slot, Weights
from cyclekit.nets.blocks import CONV, CONV_TRANSPOSE
from cyclekit.nets.planes import Planes, with_planes

CONVOLUTIONS = (*CONV.values(), *CONV_TRANSPOSE.values(), nn.Linear)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SHOWN = 3  # keys that a message lists


class Misfit(Exception):  # noqa: N818 - it is what was found
    """A checkpoint is not of the family that it looks like; says in what it differs."""


@dataclass
class Fitted:
    """Weights by the names of a network here.

    Attributes:
        options: Of the network.
        weights: As float32.
        dropped: What was left out, in words.
        assumed: What was taken for granted, in words.
    """

    options: dict[str, Any]
    weights: dict[str, Tensor]
    dropped: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


def fit(layout: Layout, network: Network, weights: Weights, choices: Choices) -> Fitted:
    """Load a peer's weights strictly.

    Args:
        layout: Of the peer's network.
        network: Here.
        weights: The peer's, by its names.
        choices: What keys do not show.

    Raises:
        Misfit: Naming what is missing, left over, or of another shape.
        UsageError: If a choice would do nothing.
    """
    affine = any(f"{name}.weight" in weights for slot in layout.slots for name in _names(slot.norm))
    options, said = _with_norms(layout, weights, choices, affine)
    try:
        settings = network.options(**options)
        with torch.device("meta"):
            made = _built(layout, network, settings)
    except (ValidationError, CyclekitError) as error:
        why = describe_exception(error).partition(" (at ")[0][:300]
        raise Misfit(f"{network.name} cannot be built like that: {why}") from error
    _require_biases(layout, weights, made)
    filler = _Filler(weights)
    layers = list(_layers(made))
    if len(layers) != len(layout.slots):
        raise Misfit(f"{len(layout.slots)} convolutions were found, {len(layers)} expected")
    for (name, conv, norm_name, norm), slot in zip(layers, layout.slots, strict=True):
        filler.fill(name, conv, norm_name, norm, slot)
    fitted = Fitted(options, filler.made, filler.dropped(layout), said)
    if choices.bgr:
        _turn_colours(fitted.weights, layers, layout.target is not None)
    fitted.assumed += filler.said
    return fitted


def _built(layout: Layout, network: Network, settings: Any) -> nn.Module:
    """The network here, as an objective asks for it."""
    target = layout.target or layout.source.logits()
    if layout.planes:
        shown = with_planes(layout.source, layout.condition)
        return Planes(network.build(shown, target, settings))
    told = {"condition": layout.condition, "classes": layout.classes}
    wanted = {name: count for name, count in told.items() if count}
    made: nn.Module = network.build(layout.source, target, settings, **wanted)
    return made


def expected_keys(layout: Layout) -> set[str]:
    """The weights that a peer's network has in any case."""
    return {f"{name}.weight" for slot in layout.slots for name in _names(slot.conv)}


def _require_biases(layout: Layout, weights: Weights, network: nn.Module) -> None:
    """Refuse a bias that is missing, where none of the norms takes its place.

    Raises:
        Misfit: Naming it.
    """
    plain = [norm for *_, norm in _layers(network) if isinstance(norm, _InstanceNorm)]
    everywhere = bool(plain) and not any(norm.affine for norm in plain)
    first, *_, last = layout.slots
    wanted = layout.slots if everywhere else [last, *([first] if layout.target is None else [])]
    for slot in wanted:
        for name in _names(slot.conv):
            if name not in layout.unbiased and f"{name}.bias" not in weights:
                raise Misfit(f"{name}.bias is missing")


def _with_norms(
    layout: Layout, weights: Weights, choices: Choices, affine: bool
) -> tuple[dict[str, Any], list[str]]:
    """The network's options, with the kind of norms that keys and choices say."""
    options, said = dict(layout.options), list(layout.assumed)
    gathered = affine and layout.norms == "keys" and _is_tracked(weights)
    if choices.running_statistics and layout.target is not None and not gathered:
        raise UsageError("--running-statistics: there are no norms that use any.")
    if layout.norms == "unsaid":
        return options, said
    if layout.norms != "keys":
        return options | {"norm": layout.norms}, said
    normed = [name for slot in layout.slots if slot.norm for name in _names(slot.conv)]
    if not affine:
        tracked = _is_tracked(weights)
        biased = any(f"{name}.bias" in weights for name in normed)
        return options | {"norm": "instance" if biased or tracked else "none"}, said
    tracked = _is_tracked(weights)
    if layout.target is None:
        return options | {"norm": "batch" if tracked else "instance"}, said
    if tracked and (choices.running_statistics or layout.running):
        said.append("batch norms use the statistics gathered in training")
        return options | {"norm": "batch"}, said
    if tracked:
        said.append(
            "batch norms use each sample's own statistics, as the peer's test script does; "
            "--running-statistics takes those gathered in training"
        )
    return options | {"norm": "instance", "affine": True}, said


def _is_tracked(weights: Weights) -> bool:
    return any(key.endswith("running_mean") for key in weights)


class _Filler:
    """Moves tensors from the peer's names to those here, and remembers which it has used."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._used: set[str] = set()
        self.made: dict[str, Tensor] = {}
        self.said: list[str] = []
        self.cancelled = 0

    def fill(self, name: str, conv: Any, norm_name: str, norm: Any, slot: Slot) -> None:
        """One convolution and the norm behind it."""
        weight = self._taken(_names(slot.conv), "weight", conv.weight.shape, slot.change)
        self.made[f"{name}.weight"] = weight
        outputs = weight.shape[_axis_of_outputs(conv)]
        bias = self._optional(_names(slot.conv), "bias", outputs)
        if conv.bias is not None:
            self.made[f"{name}.bias"] = torch.zeros(outputs) if bias is None else bias
        if norm is None:
            if bias is not None and conv.bias is None:
                raise Misfit(f"{_names(slot.conv)[0]}.bias is there, where none is expected")
            return
        if norm.affine:
            for part, theirs in zip(OWN_PARTS, slot.norm_parts, strict=True):
                own = getattr(norm, part)
                self.made[f"{norm_name}.{part}"] = self._taken(_names(slot.norm), theirs, own.shape)
            if conv.bias is not None and bias is None:
                raise Misfit(f"{_names(slot.conv)[0]}.bias is missing")
        lost = None if conv.bias is not None else bias
        self.cancelled += lost is not None and not norm.track_running_stats
        self._fill_statistics(norm_name, norm, slot, lost)

    def _fill_statistics(self, name: str, norm: Any, slot: Slot, lost: Tensor | None) -> None:
        """Running statistics; a bias that the convolution here lacks is in the norm's mean."""
        if not norm.track_running_stats:
            return  # it subtracts the mean of what it sees: a bias before it does nothing
        mean = self._taken(_names(slot.norm), "running_mean", norm.running_mean.shape)
        self.made[f"{name}.running_mean"] = mean if lost is None else mean - lost
        self.made[f"{name}.running_var"] = self._taken(
            _names(slot.norm), "running_var", norm.running_var.shape
        )
        counted = self._weights.get(f"{_names(slot.norm)[0]}.num_batches_tracked")
        counted = torch.tensor(0) if counted is None or counted.numel() != 1 else counted
        self.made[f"{name}.num_batches_tracked"] = counted.reshape(()).long().clone()

    def _taken(
        self,
        names: Sequence[str],
        part: str,
        shape: Sequence[int],
        change: Any = None,
    ) -> Tensor:
        found = [self._tensor(f"{name}.{part}") for name in names]
        sizes = {tuple(tensor.shape[1:]) for tensor in found}
        if len(sizes) > 1 or any(tensor.dim() == 0 for tensor in found):
            raise Misfit(f"{names[0]}.{part} and its neighbours have different shapes")
        tensor = torch.cat(found) if len(found) > 1 else found[0]
        if len(shape) == 2 and tensor.dim() > 2 and tensor.shape[2:].numel() == 1:
            tensor = tensor.flatten(1)  # a convolution of one position, which is a linear layer
        if tuple(tensor.shape) != tuple(shape):
            raise Misfit(
                f"{names[0]}.{part} has {_sizes(found[0].shape)}, where "
                f"{_sizes([shape[0] // len(found), *shape[1:]])} is expected"
            )
        return change(tensor).contiguous() if change else tensor

    def _optional(self, names: Sequence[str], part: str, size: int) -> Tensor | None:
        if not any(f"{name}.{part}" in self._weights for name in names):
            return None
        return self._taken(names, part, (size,))

    def _tensor(self, key: str) -> Tensor:
        if key not in self._weights:
            raise Misfit(f"{key} is missing")
        tensor = self._weights[key]
        if tensor.dtype not in DTYPES:
            raise Misfit(f"{key} holds {tensor.dtype}, where floating-point numbers are expected")
        if tensor.dtype != torch.float32 and not self.said:
            self.said.append(f"weights of {tensor.dtype} were made float32")
        self._used.add(key)
        tensor = tensor.detach().float().clone()
        if not tensor.isfinite().all():
            raise Misfit(f"{key} holds numbers that are not finite")
        return tensor

    def dropped(self, layout: Layout) -> list[str]:
        """What was not used, in words.

        Raises:
            Misfit: If it is nothing that may be left out.
        """
        said = [f"{self.cancelled} biases that norms cancel"] if self.cancelled else []
        rest = sorted(self._weights.keys() - self._used)
        for second, first in layout.aliases.items():
            names = [key for key in rest if key.startswith(second)]
            for key in names:
                other = self._weights.get(first + key.removeprefix(second))
                if other is None or not torch.equal(other, self._weights[key]):
                    raise Misfit(f"{key} should be another name of {first}..., and is not")
            said += [f"{len(names)} second names ({second}...)"] if names else []
            rest = [key for key in rest if key not in names]
        for key, wanted in layout.constants.items():
            held = self._weights.get(key)
            if held is None or not _is_filter(held, wanted):
                raise Misfit(f"{key} is not the filter that was expected")
        said += [f"{len(layout.constants)} filters that never change"] if layout.constants else []
        rest = [key for key in rest if key not in layout.constants]
        for prefix, what in layout.ignored.items():
            names = [key for key in rest if key.startswith(prefix)]
            said += [f"{len(names)} tensors of {what} ({prefix}...)"] if names else []
            rest = [key for key in rest if key not in names]
        norms = {name for slot in layout.slots for name in _names(slot.norm)}
        gathered = [k for k in rest if k.rpartition(".")[2] in STATISTICS and _layer(k) in norms]
        counted = [k for k in gathered if not k.endswith(STATISTICS[2])]
        said += [f"{len(gathered)} statistics of norms ({gathered[0]}, ...)"] if counted else []
        rest = [key for key in rest if key not in gathered]
        if rest:
            raise Misfit(f"tensors are left over: {listed(rest)}")
        return said


def listed(keys: Sequence[str]) -> str:
    """The first few keys."""
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(key[:100] for key in keys[:SHOWN]) + more


def _layers(network: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Module | None]]:
    """Convolutions in order, each with the norm behind it, if there is one."""
    convolution: tuple[str, nn.Module] | None = None
    for name, module in network.named_modules():
        if isinstance(module, CONVOLUTIONS):
            if convolution:
                yield (*convolution, "", None)
            convolution = name, module
        elif isinstance(module, (_BatchNorm, _InstanceNorm)) and convolution:
            yield (*convolution, name, module)
            convolution = None
    if convolution:
        yield (*convolution, "", None)


def _turn_colours(
    weights: dict[str, Tensor],
    layers: Sequence[tuple[str, nn.Module, str, nn.Module | None]],
    makes: bool,
) -> None:
    """Let a network that was trained on BGR see RGB, and make it if it makes anything."""
    first, (last, conv, *_) = layers[0][0], layers[-1]
    outputs = _axis_of_outputs(conv)
    turned = [(f"{first}.weight", 1)] + [(f"{last}.weight", outputs)] * makes
    if any(weights[key].shape[axis] != 3 for key, axis in turned):
        raise UsageError("--bgr is for networks of three channels.")
    for key, axis in turned:
        weights[key] = weights[key].flip(axis)
    if not makes:
        return
    weights[f"{last}.bias"] = weights[f"{last}.bias"].flip(0)


def _axis_of_outputs(layer: nn.Module) -> int:
    """Of its weight."""
    return 1 if isinstance(layer, tuple(CONV_TRANSPOSE.values())) else 0


def _is_filter(held: Tensor, wanted: Tensor) -> bool:
    """Whether every channel has this filter."""
    if held.dim() != wanted.dim() or held.shape[1:] != wanted.shape[1:]:
        return False
    return held.is_floating_point() and torch.allclose(held.float(), wanted.expand_as(held))


def _names(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in ((names,) if isinstance(names, str) else names) if name)


def _layer(key: str) -> str:
    return key.rpartition(".")[0]


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"
