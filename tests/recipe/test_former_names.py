"""Settings by the names that they had before: they work, and one warning says the new name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from cyclekit.contract.modality import Modality
from cyclekit.contract.network import Network
from cyclekit.contract.options import Options
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.layers import Layers, read_layers
from cyclekit.recipe.moved import MOVED
from cyclekit.recipe.resolve import flattened, resolve, with_new_names

NOT_DEFAULT = {
    "history.size": 7, "data.memory": 64, "data.published": "https://example.org", "train.keep": 9,
    "generator.leak": 0.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def modality() -> Modality:
    return load_plugin("image").modality


def laid(*settings: tuple[str, Any]) -> Layers:
    layers = Layers({"plugin": "image"})
    for key, value in settings:
        layers.lay([(key, value, f"--set {key}")])
    return layers


def test_every_former_name_of_the_engine_is_tried() -> None:
    folders = {f"data.{key}" for key in ("a", "b", "test_a", "test_b")}
    assert set(MOVED) - folders <= set(NOT_DEFAULT)


@pytest.mark.parametrize("old", NOT_DEFAULT)
def test_former_names_work_and_are_warned_of_once(modality: Modality, old: str) -> None:
    layers = laid((old, NOT_DEFAULT[old]))
    new = (MOVED | {"generator.leak": "generator.negative_slope"})[old]
    recipes = [resolve(layers, modality) for _ in range(2)]
    for recipe in recipes:
        assert flattened(recipe.model_dump(mode="json"))[new] == NOT_DEFAULT[old]
    assert layers.moved == [
        f"{old} (from --set {old}) is called {new} now; the old name still works"
    ]


def test_the_last_layer_wins_whichever_name_it_uses(modality: Modality) -> None:
    old, new = "generator.leak", "generator.negative_slope"
    assert resolve(laid((new, 0.1), (old, 0.3)), modality).generator.negative_slope == 0.3
    assert resolve(laid((old, 0.3), (new, 0.1)), modality).generator.negative_slope == 0.1


def test_another_networks_setting_of_that_name_is_its_own(modality: Modality) -> None:
    class LeakyOptions(Options):
        leak: float = 0.5

    leaky = Network("leaky", lambda source, target, options: nn.Identity(), LeakyOptions)
    extended = replace(modality, generators=(*modality.generators, leaky))
    layers = laid(("generator.leak", 0.2), ("generator.name", "leaky"), ("generator.leak", 0.7))
    assert resolve(layers, extended).generator.leak == 0.7


def test_runs_of_before_are_read_without_a_word(modality: Modality, tmp_path: Path) -> None:
    saved = tmp_path / "recipe.toml"
    saved.write_text('[train]\nkeep = 5\n[generator]\nname = "resnet"\nleak = 0.2\n')
    layers = read_layers(saved)
    layers.table["plugin"] = "image"
    layers.forgive()
    recipe = resolve(layers, modality)
    assert (recipe.train.keep_checkpoints, recipe.generator.negative_slope) == (5, 0.2)
    assert layers.moved == []
    led_here = with_new_names({"generator": {"name": "resnet", "leak": 0.2}}, recipe)
    assert led_here == {"generator": {"name": "resnet", "negative_slope": 0.2}}


def test_what_a_person_says_of_such_a_run_is_warned_of(modality: Modality, tmp_path: Path) -> None:
    saved = tmp_path / "recipe.toml"
    saved.write_text('[generator]\nname = "resnet"\nleak = 0.2\n')
    layers = read_layers(saved)
    layers.table["plugin"] = "image"
    layers.forgive()
    layers.lay([("generator.leak", 0.1, "--set generator.leak=0.1")])
    assert resolve(layers, modality).generator.negative_slope == 0.1
    assert len(layers.moved) == 1
