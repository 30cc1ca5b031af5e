"""Weights of networks that judge, trained once for a run and kept in it."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file


def trained_once(network: nn.Module, train: Callable[[], None], cache: Path, name: str) -> None:
    """Load a network's weights from ``cache``, or train it and keep them there.

    What is there and cannot be used is made anew.

    Args:
        network: Gets the weights.
        train: Trains it.
        cache: The folder that ``Metric.fit`` is given.
        name: Of the file, without its suffix: says all that the weights depend on.
    """
    file = f"{name}.safetensors"
    try:
        with open_file(cache / file) as stream:
            network.load_state_dict(load(stream.read()))
        return
    except FileNotFoundError:
        pass
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError):
        Storage(cache).remove(file)
    train()
    Storage(cache).clean(alone=False)
    with Storage(cache).aside() as aside:
        weights = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
        save_file(weights, aside.path / file)
        aside.keep(file)
