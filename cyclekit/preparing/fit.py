"""Whether networks can take the samples that a training has for them."""

import copy
from collections.abc import Mapping
from contextlib import ExitStack

import torch
from torch import Tensor

from cyclekit.data.sampling import Batches, Labels
from cyclekit.data.windows import StreamWindows
from cyclekit.describe import describe_exception
from cyclekit.engine.model import Model
from cyclekit.engine.passes import evaluating, held
from cyclekit.engine.step import Batch, Step
from cyclekit.errors import CyclekitError, PluginError
from cyclekit.names import heading

LARGER = (2, 4, 8, 16)  # times; windows that are tried where networks fail
MOST_TRIED = 2**18  # numbers of such a window: 256 x 256 in colours and a little more


def require_fit(model: Model, windows: Mapping[str, StreamWindows], labels: Labels | None) -> None:
    """Compute every loss of the smallest windows, so that a misfit is named before training.

    Raises:
        PluginError: If they do not fit, or the objective fails otherwise.
    """
    streams = model.objective.streams
    places = {name: windows[stream.drawn_with or name].smallest for name, stream in streams.items()}
    smallest = {name: [windows[name][place]] for name, place in places.items()}
    told = (lambda name, _: labels(name, places[name])) if labels else None
    batches = Batches(model.codec, smallest, streams, seed=0, batch_size=1, labels=told)
    one = batches.batch(0, 0, torch.device("cpu"))
    try:
        _compute_losses(model, one)
    except CyclekitError:
        raise
    except (AttributeError, ImportError, LookupError, NameError, TypeError) as error:
        # No matter of shapes.
        name = model.objective.name
        by = model.modality.added_by.get(f"objectives/{name}")
        raise PluginError(
            f"Objective {name!r} failed in its losses, before training began: "
            f"{describe_exception(error)}.{f' {by} brings it.' if by else ''}"
        ) from error
    except Exception as error:
        raise PluginError(
            f"The networks cannot take samples of these shapes: {_shapes(model, one)} "
            f"({describe_exception(error)}).{_larger_that_fit(model, one)} Use larger windows, "
            f"sizes that divide by what the generator needs, or fewer discriminator.layers."
        ) from error


def _compute_losses(model: Model, batch: Batch) -> None:
    """Every loss of some samples, of a copy of the objective, whose buffers must not see them."""
    objective = copy.deepcopy(model.objective)
    step = Step(0, model.recipe.train.seed, positions=[0])
    with ExitStack() as stack:
        for network in model.networks.values():
            stack.enter_context(evaluating(network))
            stack.enter_context(held(network))
        for phase in objective.phases:
            objective.losses(phase.name, model.networks, batch, step)


def _larger_that_fit(model: Model, batch: Batch) -> str:
    """Which larger samples networks take, in a sentence with a space before it; empty: none."""
    for times in LARGER:
        larger = {name: _enlarged(model, name, tensor, times) for name, tensor in batch.items()}
        if max(tensor.numel() for tensor in larger.values()) > MOST_TRIED:
            return ""
        try:
            _compute_losses(model, larger)
        except Exception:
            continue  # what is wrong is told by the first error
        return f" {_shapes(model, larger)} would do."
    return ""


def _enlarged(model: Model, name: str, tensor: Tensor, times: int) -> Tensor:
    """A stream's samples, as many times as long along every size that may vary."""
    stream = model.objective.streams.get(name)
    if stream is None:  # a label
        return tensor
    sizes = model.objective.specs[stream.domains[0]].sizes
    return tensor.repeat(1, 1, *(times if size is None else 1 for size in sizes))


def _shapes(model: Model, batch: Batch) -> str:
    streams = [name for name in batch if name in model.objective.streams]
    return ", ".join(f"{heading(name)} {tuple(batch[name].shape[1:])}" for name in streams)
