"""Weights of one network for another that is not quite like it: what fits is taken."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor, nn

NAMED = 3  # tensors, in a message


@dataclass(frozen=True)
class Transfer:
    """What one network got from another.

    Attributes:
        taken: How many tensors are the other's.
        share: Of the network's numbers, how many these hold.
        used: Of the other network's numbers, how many found a place.
        fitted: Those of them that were made for another number of channels, with both shapes.
        anew: Tensors that stayed as they were.
        unused: Tensors of the other network that had no place.
    """

    taken: int
    share: float
    used: float
    fitted: Sequence[str]
    anew: Sequence[str]
    unused: Sequence[str]

    def describe(self) -> str:
        """All of that in a line."""
        told = [f"{self.taken} of {self.taken + len(self.anew)} tensors"]
        for what, names in (
            ("with other channels", self.fitted),
            ("anew", self.anew),
            ("without a place here", self.unused),
        ):
            if names:
                more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
                told.append(f"{what}: {', '.join(names[:NAMED])}{more}")
        return "; ".join(told)


def transfer(source: nn.Module, target: nn.Module) -> Transfer:
    """Give ``target`` the weights of ``source`` as far as they fit.

    Both networks' tensors are aligned in their order, by what they are called without numbers and
    by their shapes, so that further blocks in the midst of one shift nothing. The first weights and
    the last are taken, too, where samples have another number of channels.
    """
    theirs, own = source.state_dict(), target.state_dict()
    pairs = _aligned(theirs, own)
    taken = {name: theirs[other] for other, name in pairs}
    fitted = []
    for other, name in _of_other_channels(theirs, own, target):
        taken[name] = _fit(theirs[other], own[name], target, name)
        fitted.append(f"{name} ({_shape(theirs[other])} to {_shape(own[name])})")
        pairs.append((other, name))
    with torch.no_grad():
        for name, tensor in taken.items():
            own[name].copy_(tensor)
    used = {other for other, _ in pairs}
    size = sum(tensor.numel() for tensor in theirs.values())
    return Transfer(
        taken=len(taken),
        share=sum(own[name].numel() for name in taken) / sum(t.numel() for t in own.values()),
        used=sum(theirs[other].numel() for other in used) / size,
        fitted=fitted,
        anew=[name for name in own if name not in taken],
        unused=[name for name in theirs if name not in used],
    )


def _aligned(theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[tuple[str, str]]:
    """Tensors that are each other's."""
    matcher = SequenceMatcher(None, _kinds(theirs), _kinds(own), autojunk=False)
    names, others = list(own), list(theirs)
    return [
        (others[a + place], names[b + place])
        for a, b, count in matcher.get_matching_blocks()
        for place in range(count)
    ]


def _kinds(tensors: Mapping[str, Tensor]) -> list[tuple[str, torch.Size]]:
    return [(re.sub(r"\d+", "", name), tensor.shape) for name, tensor in tensors.items()]


def _of_other_channels(
    theirs: Mapping[str, Tensor], own: Mapping[str, Tensor], target: nn.Module
) -> Iterator[tuple[str, str]]:
    """Tensors that differ in the number of the samples' channels alone: inputs of the first layer,
    outputs of the last."""
    weights, others = ([n for n, t in some.items() if t.dim() > 1] for some in (own, theirs))
    for place, axis_of in ((0, _inputs), (-1, _outputs)):
        for name, other in zip(weights[place:][:1], others[place:][:1], strict=True):
            shapes = theirs[other].shape, own[name].shape
            if len(shapes[0]) != len(shapes[1]):
                continue
            differing = [axis for axis, (a, b) in enumerate(zip(*shapes, strict=True)) if a != b]
            if differing == [axis_of(target, name)]:
                yield other, name
                biases = [f"{each.rpartition('.')[0]}.bias" for each in (other, name)]
                if place and biases[0] in theirs and biases[1] in own:
                    yield biases[0], biases[1]


def _inputs(network: nn.Module, name: str) -> int:
    """The axis of a weight that its layer's inputs are on."""
    layer = network.get_submodule(name.rpartition(".")[0])
    return 0 if getattr(layer, "transposed", False) else 1


def _outputs(network: nn.Module, name: str) -> int:
    return 1 - _inputs(network, name)


def _fit(theirs: Tensor, own: Tensor, network: nn.Module, name: str) -> Tensor:
    """A weight for another number of channels.

    Where one channel becomes several or several become one, each is as all were together: a grey
    picture is then seen, and made, in colours that are equal. Else the first ones stay, further
    inputs are not seen yet, and further outputs begin anew.
    """
    inputs = 1 if theirs.dim() == 1 else _inputs(network, name)
    axis = next(axis for axis in range(own.dim()) if theirs.shape[axis] != own.shape[axis])
    old, new = theirs.shape[axis], own.shape[axis]
    of_inputs = theirs.dim() > 1 and axis == inputs
    if 1 in (old, new):
        whole = theirs.sum(axis, keepdim=True) if of_inputs else theirs.mean(axis, keepdim=True)
        spread = whole.expand(own.shape)
        return spread / new if of_inputs else spread
    made = torch.zeros_like(own) if of_inputs else own.clone()
    both = min(old, new)
    made.narrow(axis, 0, both).copy_(theirs.narrow(axis, 0, both))
    return made


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
