"""Recipes: merging, origins, errors that help, and every one that is shipped."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from cyclekit.contract.modality import Modality
from cyclekit.contract.network import Network
from cyclekit.contract.options import Options
from cyclekit.engine.model import build_model
from cyclekit.errors import RecipeError, UsageError
from cyclekit.plugins.discovery import find_plugin, installed_plugins
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import Layers, read_layers
from cyclekit.recipe.reading import parse_setting
from cyclekit.recipe.resolve import keys, resolve, to_toml
from cyclekit.recipe.settings import Recipe, recipe_model

IMAGE = find_plugin("image")


@pytest.fixture(scope="module")
def modality() -> Modality:
    return load_plugin("image").modality


def resolved(modality: Modality, path: Path, *settings: str) -> Recipe:
    layers = read_layers(path, IMAGE, [parse_setting(text) for text in settings])
    layers.table.setdefault("plugin", "image")
    return resolve(layers, modality)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


SHIPPED = [
    (info.name, name, path)
    for info in installed_plugins()
    if info.distribution == "cyclekit"
    for name, path in find_recipes(info).items()
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "name", "path"), SHIPPED, ids=[f"{p}-{n}" for p, n, _ in SHIPPED]
)
def test_every_shipped_recipe_parses_and_builds(plugin: str, name: str, path: Path) -> None:
    info, modality = find_plugin(plugin), load_plugin(plugin).modality
    layers = read_layers(path, info)
    layers.table.setdefault("plugin", plugin)
    recipe = resolve(layers, modality)
    left_open = {"domains": (), "attributes": ()}
    if left_open.items() <= recipe.objective.model_dump().items():
        # As training does from the names of folders.
        layers.lay([("objective.domains", ["one", "two", "three"], "test")])
        recipe = resolve(layers, modality)
    model = build_model(modality, recipe)
    directions = model.objective.directions
    assert {name for way in directions for name in way.networks} <= set(model.networks)
    assert recipe.summary
    assert path.read_text().startswith("# "), "a recipe opens by saying what data it needs"


def test_the_shipped_recipes_are_there() -> None:
    assert {("image", "demo"), ("image", "horse2zebra")} <= {(p, n) for p, n, _ in SHIPPED}


def test_horse2zebra_is_the_papers(modality: Modality) -> None:
    recipe = resolved(modality, find_recipes(IMAGE)["horse2zebra"])
    assert (recipe.codec.resize, recipe.codec.crop, recipe.codec.flip) == (286, 256, True)
    assert (recipe.generator.blocks, recipe.generator.channels) == (9, 64)
    assert (recipe.discriminator.layers, recipe.discriminator.channels) == (3, 64)
    assert (recipe.objective.cycle.weight, recipe.objective.identity.weight) == (10, 5)
    train = recipe.train
    assert (train.steps, train.batch_size, train.learning_rate) == (266_800, 1, 2e-4)
    assert (train.betas, train.decay_from, recipe.objective.history_size) == ((0.5, 0.999), 0.5, 50)


def test_extends_merges_deeply(modality: Modality, tmp_path: Path) -> None:
    write(tmp_path / "base.toml", "[train]\nsteps = 7\nbatch_size = 3\n[generator]\nblocks = 2\n")
    middle = 'extends = "base"\n[train]\nsteps = 8\n[generator]\nname = "resnet"\n'
    write(tmp_path / "middle.toml", middle)
    top = write(tmp_path / "top.toml", 'extends = "middle"\n[codec]\ncrop = 64\n')
    recipe = resolved(modality, top, "generator.channels=5")
    assert (recipe.train.steps, recipe.train.batch_size) == (8, 3)
    assert (recipe.generator.blocks, recipe.generator.channels, recipe.codec.crop) == (2, 5, 64)


def test_another_network_starts_with_its_own_defaults(tmp_path: Path) -> None:
    """What a recipe says about one network is not meant for another."""
    modality = load_plugin("audio").modality
    write(tmp_path / "base.toml", "[generator]\nblocks = 1\nchannels = 8\n")
    top = write(
        tmp_path / "top.toml", 'extends = "base"\n[generator]\nname = "tiny"\nchannels = 9\n'
    )
    info = find_plugin("audio")
    same = resolve(read_layers(tmp_path / "base.toml", info, [("plugin", "audio", "")]), modality)
    assert (same.generator.blocks, same.generator.channels) == (1, 8)
    assert same.generator.name == "vc2"
    other = resolve(read_layers(top, info, [("plugin", "audio", "")]), modality)
    assert (other.generator.name, other.generator.channels) == ("tiny", 9)
    back = [("plugin", "audio", ""), ("generator.name", same.generator.name, "--set")]
    again = resolve(read_layers(top, info, back), modality)
    settings = [
        ("plugin", "audio", ""),
        ("generator.channels", 8, ""),
        ("generator.name", "vc2", ""),
    ]
    for order in (settings, settings[::-1]):  # what one command says is said at once
        laid = resolve(read_layers(top, info, order), modality)
        assert (laid.generator.name, laid.generator.channels) == ("vc2", 8)
    default = resolve(Layers({"plugin": "audio"}), modality)
    assert again.generator.model_dump() == default.generator.model_dump()


def test_extends_a_shipped_recipe(modality: Modality, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.toml", 'extends = "horse2zebra"\n[train]\nsteps = 5\n')
    recipe = resolved(modality, mine)
    assert (recipe.train.steps, recipe.codec.resize) == (5, 286)


def test_a_recipe_that_extends_itself_is_refused(modality: Modality, tmp_path: Path) -> None:
    write(tmp_path / "one.toml", 'extends = "two"\n')
    two = write(tmp_path / "two.toml", 'extends = "one"\n')
    with pytest.raises(RecipeError, match="extends itself: two -> one -> two"):
        resolved(modality, two)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=4", 4),
        ("a.b=2e-4", 2e-4),
        ("a.b=true", True),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b={x=1}", {"x": 1}),
        ('a.b="4"', "4"),
        ("a.b=instance", "instance"),
        ("a.b=/data/my pictures", "/data/my pictures"),
        ("a.b=C:\\x=y", "C:\\x=y"),
        ("a.b=", ""),
        ("a.b=1\nc=2", "1\nc=2"),
    ],
)
def test_set_reads_toml_or_text(text: str, value: Any) -> None:
    assert parse_setting(text)[:2] == ("a.b", value)


@pytest.mark.parametrize("text", ["train.steps", "=4", "a..b=1", ""])
def test_set_without_key_or_value(text: str) -> None:
    with pytest.raises(UsageError, match="--set needs key=value"):
        parse_setting(text)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "train.stepz=4",
            r"train\.stepz \(from --set train\.stepz=4\).*Did you mean 'train\.steps'",
        ),
        ("train.blocks=4", r"Did you mean 'generator\.blocks'"),
        ("generator.chanels=4", r"Did you mean 'generator\.channels'"),
        ("objective.cycle.wieght=4", r"Did you mean 'objective\.cycle\.weight'"),
        ("trian.steps=4", r"trian.*no such key.*'train'"),
        ("generator.name=resnt", r"generator\.name.*'resnt' is not known.*'resnet'"),
        ("train.precision=half", r"train\.precision.*'half' is not known"),
        ("train.steps=many", r"train\.steps.*a whole number, got 'many'"),
        ("train.steps=0", r"train\.steps.*at least 1, got 0"),
        ("train.learning_rate=-1", r"train\.learning_rate.*more than 0, got -1"),
        ("codec.crop=300", r"codec\.crop \(300\) cannot be larger than codec\.resize \(286\)"),
        ("objective.name=cicle", r"objective\.name.*'cicle' is not known.*'cycle'.*extensions"),
        ("train.best.metric=ll1", r"train\.best\.metric.*'ll1' is no figure.*'l1'"),
        ("train.batch_size=1.5", r"train\.batch_size.*a whole number, got 1\.5"),
        ("train.log=csv", r"train\.log.*a list.*got 'csv'"),
        ("extensions=[1]", r"extensions\.0.*expected text, got 1"),
        ("extensions=1", r"extensions.*a list.*got 1"),
        ("train=4", r"train \(from --set train=4\).*got 4"),
    ],
)
def test_faults_name_key_origin_and_remedy(modality: Modality, setting: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        resolved(modality, find_recipes(IMAGE)["horse2zebra"], setting)


class Worded(Options):
    title: Annotated[str, Field(min_length=3, max_length=5)] = "abc"
    code: Annotated[str, Field(pattern="^[a-z]+$")] = "abc"
    sizes: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("generator.title=ab", "string should have at least 3 characters, got 'ab'"),
        ("generator.title=abcdef", "string should have at most 5 characters, got 'abcdef'"),
        ("generator.title=3", "expected text, got 3"),
        ("generator.code=ABC", "string should match pattern '^[a-z]+$', got 'ABC'"),
        ("generator.sizes=[]", "at least 1 item after validation, not 0"),
    ],
)
def test_a_text_or_list_of_the_wrong_length_is_not_said_to_be_none(
    modality: Modality, setting: str, said: str
) -> None:
    worded = Network("worded", modality.generators[0].build, Worded)
    modality = replace(modality, generators=(worded,))
    key, value, origin = parse_setting(setting)
    layers = Layers({"plugin": "image", "generator": {"name": "worded"}})
    layers.lay([(key, value, origin)])
    with pytest.raises(RecipeError) as refused:
        resolve(layers, modality)
    line = str(refused.value).splitlines()[1]
    assert line.startswith(f"  {key} (from --set {setting}): ")
    assert said in line


def test_all_faults_at_once(modality: Modality, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.toml", "[train]\nstepz = 4\nbatch_size = 0\n[codec]\ncrop = 'x'\n")
    with pytest.raises(RecipeError, match=r"3 faults") as error:
        resolved(modality, bad)
    text = str(error.value)
    assert all(key in text for key in ("train.stepz", "train.batch_size", "codec.crop"))
    assert text.count(f"(from {bad})") == 3


def test_a_wrong_network_and_a_wrong_figure_are_told_together(
    modality: Modality, tmp_path: Path
) -> None:
    text = '[generator]\nname = "resnett"\n[train]\nstepz = 3\n[train.best]\nmetric = "l3"\n'
    with pytest.raises(RecipeError, match="3 faults") as refused:
        resolved(modality, write(tmp_path / "wrong.toml", text))
    for said in ("'resnett' is not known", "'train.steps'", "'l3' is no figure"):
        assert said in str(refused.value)


def test_no_key_of_another_network_is_suggested(tmp_path: Path) -> None:
    modality = load_plugin("music").modality
    assert len(modality.generators) > 1
    plain = Network("plain", modality.generators[0].build)
    modality = replace(modality, generators=(*modality.generators, plain))
    layers = Layers({"plugin": "music", "generator": {"name": "plain", "blocks": 3}})
    layers.merge({"generator": {"name": "plain", "blocks": 3}}, "here")
    with pytest.raises(RecipeError, match=r"generator.blocks \(from here\): there is no") as no:
        resolve(layers, modality)
    assert "Did you mean 'generator.blocks'" not in str(no.value)


def test_the_resolved_recipe_reads_back_the_same(modality: Modality, tmp_path: Path) -> None:
    recipe = resolved(modality, find_recipes(IMAGE)["demo"], "train.steps=9")
    again = resolved(modality, write(tmp_path / "saved.toml", to_toml(recipe)))
    assert again.model_dump() == recipe.model_dump()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"steps = = 1", "not valid TOML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"x" * 1_000_001, "larger"),
    ],
)
def test_files_that_are_no_recipes(
    modality: Modality, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=said):
        resolved(modality, path)


def test_schema_describes_every_key(cli: Callable[..., Any], modality: Modality) -> None:
    outcome = cli("recipes", "schema", "--plugin=image")
    assert outcome.code == 0
    assert json.loads(outcome.out)["properties"]["train"]
    undescribed = [
        name
        for name, field in keys(recipe_model(modality))
        if not field.description and name != "plugin"
    ]
    assert undescribed == []


def test_recipes_verbs(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = cli("recipes", "list")
    assert "horse2zebra" in listed.out
    shown = cli("recipes", "show", "horse2zebra")
    assert tomllib.loads(shown.out)["train"]["steps"] == 266_800
    everything = cli("recipes", "show", "horse2zebra", "--resolved")
    assert tomllib.loads(everything.out)["train"]["clip"] == 0
    copied = cli("recipes", "copy", "demo", tmp_path / "mine.toml", "--plugin=image")
    assert copied.code == 0
    assert (tmp_path / "mine.toml").read_text() == cli(
        "recipes", "show", "demo", "--plugin=image"
    ).out
    again = cli("recipes", "copy", "demo", tmp_path / "mine.toml", "--plugin=image")
    assert (again.code, "exists already" in again.err) == (2, True)
    checked = cli("recipes", "check", tmp_path / "mine.toml")
    assert "ok" in checked.out, checked.err
    (tmp_path / "mine.toml").write_text("[train]\nstepz = 1\n")
    refused = cli("recipes", "check", tmp_path / "mine.toml", "--plugin=image")
    assert refused.code == 2
    assert "Did you mean 'train.steps'" in refused.err


def test_the_recipes_of_one_plugin(cli: Callable[..., Any]) -> None:
    (named, *_) = cli("recipes", "list", "tunes").out.splitlines()
    assert named.startswith("music      tunes ")
    listed = cli("recipes", "list", "music")
    assert listed.code == 0
    named = [line for line in listed.out.splitlines() if not line.startswith(" ")]
    assert {line.split()[0] for line in named} == {"music"}


def test_own_recipes_beside_the_working_folder_win(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "recipes" / "image"
    folder.mkdir(parents=True)
    (folder / "demo.toml").write_text('summary = "mine"\n')
    assert "mine" in cli("recipes", "list").out
