"""Checks of networks and of a training step."""

from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cyclekit.contract.network import Network, common_multiple
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.padding import least_multiples, pad_to_multiple
from cyclekit.engine.training_state import TrainingState
from cyclekit.errors import RecipeError
from cyclekit.storage.tree import load_tree, save_tree
from cyclekit.testing.checks import check
from cyclekit.testing.faults import Fault, calling, require, sizes
from cyclekit.testing.subject import Subject

UNTRAINABLE = (
    "changes nothing: its output does not depend on its parameters, or the gradient is cut off "
    "(detach, round, no_grad)."
)


@check("generators", "range")
def generators(subject: Subject) -> None:
    """Every generator maps tensors of one domain to tensors of the other."""
    chosen = subject.recipe.generator
    for network in subject.modality.generators:
        for source, target in _ways(subject):
            told = subject.codec.spec(target)
            module = _built(network, subject.codec.spec(source), told, chosen)
            x = _fitted(subject, module, source)
            y = _called(module, x, network)
            require(
                y.shape[:2] == (1, told.channels) and sizes(y) == sizes(x),
                f"Generator {network.name!r} makes {tuple(y.shape)} of {tuple(x.shape)}: expected "
                f"{(1, told.channels, *sizes(x))}. If it needs sizes that divide by some number, "
                f"give the module that number as its attribute multiple_of.",
            )


@check("discriminators", "range")
def discriminators(subject: Subject) -> None:
    """Every discriminator gives finite logits of one channel."""
    for network in subject.modality.discriminators:
        told = subject.codec.spec(subject.first)
        if network.pretrained and _is_refused(network, told):
            continue  # other people's weights need not be installed, nor be for such samples
        module = _built(network, told, told.logits(), subject.recipe.discriminator)
        x = _fitted(subject, module, subject.first)
        y = _called(module, x, network)
        require(
            y.shape[:2] == (1, 1),
            f"Discriminator {network.name!r} gives shape {tuple(y.shape)}: expected one channel of "
            f"logits, (batch, 1, ...).",
        )


@check("window sizes", "generators")
def window_sizes(subject: Subject) -> None:
    """Training windows fit the generator that the recipe names, which cannot pad them."""
    chosen = subject.recipe.generator
    (network,) = [n for n in subject.modality.generators if n.name == chosen.name]
    source, target = _ways(subject)[0]
    told = subject.codec.spec(source)
    module = _built(network, told, subject.codec.spec(target), chosen)
    lengths, multiples = sizes(subject.window(source)), common_multiple(told, module)
    require(
        all(length % multiple == 0 for length, multiple in zip(lengths, multiples, strict=True)),
        f"Training windows have sizes {lengths}, but generator {chosen.name!r} needs multiples of "
        f"{multiples}: cut windows of such sizes in windows or augment.",
    )


@check("step", "window sizes", "discriminators")
def step(subject: Subject) -> None:
    """One training step of each phase changes every network and leaves finite numbers."""
    trainer = subject.trainer
    phases = trainer.model.objective.phases
    trained = {name for phase in phases for name in phase.trains}
    before = {name: _weights(net).clone() for name, net in trainer.model.networks.items()}
    with calling("A training step"):
        try:
            for _ in range(max(phase.every for phase in phases)):
                trainer.train_step()
                trainer.step += 1
        except RuntimeError as error:
            require("does not require grad" not in str(error), f"A training step {UNTRAINABLE}")
            raise
    found = trainer.guard.read()
    if found:
        raise Fault(
            f"A training step is not finite: {', '.join(found.terms)} in the {found.phase} phase. "
            f"Look for a logarithm of zero, a division by zero or a huge scale in the networks."
        )
    for name, network in trainer.model.networks.items():
        require(
            name not in trained or not before[name].equal(_weights(network)),
            f"A training step of {name} {UNTRAINABLE}",
        )


@check("checkpoint", "step")
def checkpoint(subject: Subject) -> None:
    """Training goes on from a checkpoint as if nothing had happened."""
    stem, trainer, other = subject.folder / "state", subject.trainer, subject.new_trainer()
    with calling("A checkpoint"):
        save_tree(trainer.state_dict(), stem)
        tensors = load_file(stem.with_suffix(".safetensors"))
        state = load_tree(stem.with_suffix(".json").read_bytes(), tensors)
        other.model.codec.load_state_dict(state.pop("codec"))
        other.load_state(TrainingState.model_validate(state))
    for name, network in other.model.networks.items():
        network.load_state_dict(trainer.model.networks[name].state_dict())
    for each in (trainer, other):
        for _ in range(max(phase.every for phase in each.model.objective.phases)):
            each.train_step()
            each.step += 1
    for name, network in trainer.model.networks.items():
        require(
            _weights(network).equal(_weights(other.model.networks[name])),
            f"A step from a checkpoint trains {name} otherwise than the step it was saved before: "
            f"keep all that changes while training in parameters, buffers or state_dict.",
        )


def _ways(subject: Subject) -> list[tuple[str, str]]:
    """Sources and targets of the objective's directions."""
    return [direction.ends for direction in subject.trainer.model.objective.directions]


def _built(network: Network, source: TensorSpec, target: TensorSpec, chosen: Any) -> nn.Module:
    """A network with the recipe's options if that names it, else with its default ones."""
    options = chosen if chosen.name == network.name else network.options()
    with calling(f"Building {network.name!r}"):
        module = network.build(source, target, options)
    require(
        isinstance(module, nn.Module),
        f"{network.name!r} must build a torch.nn.Module, not {type(module).__name__}.",
    )
    return module.eval()


def _is_refused(network: Network, source: TensorSpec) -> bool:
    """Whether a discriminator says in a sentence that it cannot be had here."""
    try:
        network.build(source, source.logits(), network.options())
    except RecipeError:
        return True
    return False


def _fitted(subject: Subject, module: nn.Module, domain: str) -> Tensor:
    """A window, padded as translation would pad it."""
    multiples = common_multiple(subject.codec.spec(domain), module)
    return pad_to_multiple(subject.window(domain), multiples, fewest=least_multiples(module))


@torch.no_grad()
def _called(module: nn.Module, x: Tensor, network: Network) -> Tensor:
    small = " If windows are too small for it, make them larger, or set fewer layers in the recipe."
    with calling(f"Network {network.name!r}, called with shape {tuple(x.shape)},", small):
        y = module(x)
    require(isinstance(y, Tensor), f"Network {network.name!r} must return a tensor.")
    require(
        bool(y.isfinite().all()), f"Network {network.name!r} gives numbers that are not finite."
    )
    made: Tensor = y
    return made


def _weights(network: nn.Module) -> Tensor:
    parameters = [p.detach().flatten() for p in network.parameters()]
    return torch.cat(parameters) if parameters else torch.zeros(0)
