"""How to go on with a set that is there: the commands that train on it and look at it."""

import shlex
from pathlib import Path

from cyclekit.datasets.catalogue import Offer
from cyclekit.datasets.getting import FOLDER
from cyclekit.recipe.finding import find_recipe
from cyclekit.recipe.layers import read_layers


def training_command(offer: Offer, folder: Path) -> str:
    """What trains on a set with its recipe, wherever the set is."""
    plugin = f"cyclekit train --plugin {_named(offer)}"
    if not offer.set.recipe:
        return f"{plugin} --recipe NAME --data {shlex.quote(str(folder))}"
    return f"{plugin} --recipe {offer.set.recipe}{_elsewhere(offer, folder)}"


def check_command(offer: Offer, folder: Path) -> str:
    """What says of a set what a training would find."""
    if not offer.set.recipe:
        return f"cyclekit data check {shlex.quote(str(folder))} --plugin {_named(offer)}"
    return (
        f"cyclekit data check --plugin {_named(offer)} --recipe {offer.set.recipe}"
        f"{_elsewhere(offer, folder)}"
    )


def _elsewhere(offer: Offer, folder: Path) -> str:
    """Options that say where a recipe's folders are, if not where it looks for them itself."""
    usual = FOLDER / offer.name
    if folder == usual:
        return ""
    recipe = find_recipe(offer.set.recipe, offer.plugin)
    data = read_layers(recipe, offer.plugin).table.get("data", {})
    named = {key: data[key] for key in ("root",) if key in data}
    for kind in ("domains", "tests"):
        named |= {f"{kind}.{domain}": place for domain, place in data.get(kind, {}).items()}
    moved = {
        key: folder / Path(str(place)).relative_to(usual)
        for key, place in named.items()
        if Path(str(place)).is_relative_to(usual)
    }
    if set(moved) <= {"root"}:
        return f" --data {shlex.quote(str(folder))}"
    return "".join(f" --set {shlex.quote(f'data.{key}={place}')}" for key, place in moved.items())


def _named(offer: Offer) -> str:
    return shlex.quote(str(offer.plugin.file or offer.plugin.name))
