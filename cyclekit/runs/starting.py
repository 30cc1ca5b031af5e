"""From hardware to a running Fabric: its precision is chosen, said, and warned of if it is slow."""

from collections.abc import Callable
from functools import partial

import torch

from cyclekit.console import Console
from cyclekit.engine.arithmetic import FP32, Arithmetic, agree, choose_arithmetic, slowdown
from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.lightning import Fabric
from cyclekit.recipe.settings import Recipe


def start(
    hardware: Hardware,
    choose: Callable[[torch.device], Arithmetic],
    console: Console,
    instead: str = "",
) -> tuple[Fabric, str]:
    """Start all ranks in one precision.

    Args:
        hardware: Where to compute.
        choose: A precision for a rank's own device; where ranks differ it is 32-true.
        console: Is told of the precision that was chosen, and where it is slow.
        instead: The command that computes in another precision.

    Returns:
        Fabric, and the precision.

    Raises:
        CyclekitError: If the hardware is not there.
    """
    # Ranks find each other, and each its device, before anything is said about a precision.
    ranks = start_fabric(hardware, FP32)
    chosen = agree(ranks, choose(ranks.device))
    fabric = start_fabric(hardware, chosen.precision)
    if fabric.is_global_zero:
        if chosen.reason:
            console.say(f"precision: {chosen}")
        if times := slowdown(chosen.precision, fabric.device):
            advice = f" To change it: {instead} --precision {FP32}" if instead else ""
            console.warn(
                f"{chosen.precision} takes {times:.3g} times as long as {FP32} on this "
                f"{fabric.device.type.upper()}.{advice}"
            )
    return fabric, chosen.precision


def start_recipe(
    recipe: Recipe, hardware: Hardware, console: Console, instead: str
) -> tuple[Fabric, Recipe, Console]:
    """Fabric, the recipe with the precision that is really used, and who speaks on this rank.

    Args:
        recipe: What to train.
        hardware: Where to compute.
        console: Speaks on rank 0.
        instead: The command that trains in another precision.
    """
    choose = partial(choose_arithmetic, recipe.train.precision)
    fabric, precision = start(hardware, choose, console, instead)
    console = console if fabric.is_global_zero else Console(quiet=True)
    train = recipe.train.model_copy(update={"precision": precision})
    return fabric, recipe.model_copy(update={"train": train}), console
