"""Finding, loading and refusing plugins. Neighbours are made on the spot and never installed."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import SMALL, as_options

from cyclekit.commands.plugins import _brought_objective
from cyclekit.errors import PluginError, UsageError
from cyclekit.plugins.discovery import find_plugin, installed_plugins
from cyclekit.plugins.host import load_plugin
from cyclekit.preparing.planning import plan_training
from cyclekit.recipe.finding import find_recipes

GOOD = """
from cyclekit.api import *
import torch

class Numbers(Codec):
    def spec(self, domain): return TensorSpec(1, (8,))
    def load(self, path): return float(path.read_text())
    def encode(self, item, domain): return Sample(torch.full((1, 8), item))
    def decode(self, tensor, domain, meta): return tensor.mean().item()
    def save(self, item, path): path.write_text(str(item)); return path

@hookimpl
def cyclekit_modality():
    yield Modality(name={name!r}, api={api}, summary="numbers", codec=Numbers,
                   generators=(RESNET,), discriminators=(PATCHGAN,))
"""


def neighbour(folder: Path, name: str, source: str, distribution: str = "") -> None:
    """A package with an entry point, as it would lie in site-packages."""
    module = f"neighbour_{distribution or name}".replace("-", "_")
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{distribution or 'cyclekit_' + name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {distribution or 'cyclekit_' + name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[cyclekit]\n{name} = {module}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("neighbour_")]:
        del sys.modules[name]


def test_listing_reads_metadata_and_imports_nothing(site: Path, cli: Callable[..., Any]) -> None:
    neighbour(site, "explosive", "raise SystemExit('imported')")
    listed = cli("plugins", "list", "--json")
    rows = {row["name"]: row for row in json.loads(listed.out)}
    assert rows["image"]["distribution"] == "cyclekit"
    assert rows["explosive"] == {
        "name": "explosive",
        "distribution": "cyclekit_explosive",
        "version": "1.2",
    }
    assert "neighbour_explosive" not in sys.modules


def test_a_broken_neighbour_is_harmless(site: Path, cli: Callable[..., Any]) -> None:
    neighbour(site, "broken", "raise OSError('libtorch_cuda.so: cannot open')")
    assert load_plugin("image").modality.name == "image"
    checked = cli("plugins", "list", "--check")
    assert checked.code == 1
    assert (
        "broken: Plugin 'broken' (cyclekit_broken 1.2) cannot be imported: OSError" in checked.out
    )
    assert "image" in checked.out
    assert "ok" in checked.out


def test_only_the_plugin_asked_for_is_imported(site: Path) -> None:
    neighbour(site, "numbers", GOOD.format(name="numbers", api=2))
    load_plugin("image")
    assert "neighbour_numbers" not in sys.modules
    assert load_plugin("numbers").modality.summary == "numbers"


OLD_FIT = """
@hookimpl
def cyclekit_metrics(modality):
    yield Metric("old", {}, lambda shown, fitted: {}, fit=lambda a, b, seed, cache: None)
"""
NAMELESS = """
class Nameless(CycleObjective): name = ""
@hookimpl
def cyclekit_objectives(modality):
    yield Nameless
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import a_module_that_is_not_there", "cannot be imported: ModuleNotFoundError.*Install"),
        (
            GOOD.format(name="bad", api=1),
            "written for plugin API 1; this cyclekit speaks 2. Let Modality.objective be a name.*"
            "fit take .items by domain, seed, cache.*write api=2: see docs/authors/from-1-to-2.md",
        ),
        (
            GOOD.format(name="bad", api=3),
            "plugin API 3; this cyclekit speaks 2. Install",
        ),
        (
            GOOD.format(name="bad", api=2) + OLD_FIT,
            "Metric 'old': fit must take .items, seed, cache.",
        ),
        (
            GOOD.format(name="bad", api=2).replace("api=2", "api=2, objective=Numbers"),
            "objective must be the name of one, not <class",
        ),
        (
            GOOD.format(name="bad", api=2).replace("api=2", "api=2, objective='cicle'"),
            "there is no objective 'cicle'. Did you mean 'cycle'",
        ),
        (GOOD.format(name="bad", api=2) + NAMELESS, "Nameless has no name"),
        (GOOD.format(name="other", api=2), "calls its modality 'other'"),
        ("x = 1", "must yield one Modality.*yielded 0"),
        (
            GOOD.format(name="bad", api=2).replace("cyclekit_modality", "cyclekit_modalty"),
            "no hook 'cyclekit_modalty'. Did you mean 'cyclekit_modality'",
        ),
        (
            GOOD.format(name="bad", api=2).replace("yield Modality", "yield 1/0, Modality"),
            "failed in cyclekit_modality: ZeroDivisionError",
        ),
        (
            "from cyclekit.api import hookimpl\n@hookimpl\ndef cyclekit_modality(): yield 'image'",
            "must be Modality objects, not str",
        ),
        (
            GOOD.format(name="bad", api=2).replace("(RESNET,)", "RESNET"),
            "generators must be a list",
        ),
        (
            GOOD.format(name="bad", api=2).replace("(RESNET,)", "('resnet',)"),
            "generators must be Network objects, not str",
        ),
        (
            GOOD.format(name="bad", api=2) + "@hookimpl\ndef cyclekit_run_started(runs): pass",
            "hook cyclekit_run_started has no argument 'runs': it may take run, recipe",
        ),
        (
            GOOD.format(name="bad", api=2).replace("yield Modality", "return Modality"),
            "it returned Modality instead of yielding it",
        ),
        (
            GOOD.format(name="bad", api=2).replace("(RESNET,)", "(RESNET, RESNET)"),
            "two generators called 'resnet'",
        ),
    ],
)
def test_faults_are_named(site: Path, source: str, said: str) -> None:
    neighbour(site, "bad", source)
    with pytest.raises(PluginError, match=said):
        load_plugin("bad")


def test_a_package_that_is_gone_is_not_taken_for_a_missing_recipe(
    site: Path, cli: Callable[..., Any]
) -> None:
    neighbour(site, "gone", "")
    (site / "neighbour_gone.py").unlink()
    outcome = cli("train", "--plugin", "gone", "--recipe", "demo")
    assert outcome.code == 1
    assert "names the package 'neighbour_gone', which cannot be found" in outcome.err


def test_a_file_of_ones_own_is_not_to_be_reinstalled(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from cyclekit.api import Codek")
    with pytest.raises(PluginError, match=r"cannot be imported: .*mine.py:1\). Correct the file."):
        load_plugin(str(file))


def test_two_packages_with_one_name(site: Path) -> None:
    neighbour(site, "numbers", "", "first")
    neighbour(site, "numbers", "", "second")
    assert [info.distribution for info in installed_plugins() if info.name == "numbers"] == [
        "first",
        "second",
    ]
    assert load_plugin("image").modality.name == "image", "nobody else's quarrel"
    with pytest.raises(PluginError, match=r"Two packages.*first and second"):
        load_plugin("numbers")


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"No plugin called 'imgae'.*Did you mean 'image'"):
        load_plugin("imgae")
    with pytest.raises(UsageError, match="No plugin file"):
        load_plugin("./nowhere.py")


def test_extensions_add_to_somebody_elses_modality(site: Path) -> None:
    source = """
from cyclekit.api import Metric, Network, RESNET, hookimpl
@hookimpl
def cyclekit_generators(modality):
    if modality == "image":
        yield Network("mine", RESNET.build, RESNET.options)
@hookimpl
def cyclekit_metrics(modality):
    yield Metric("always", {"one": True}, lambda translations, fitted: {"one": 1.0})
"""
    neighbour(site, "extra", source)
    modality = load_plugin("image", ["extra"]).modality
    assert [network.name for network in modality.generators][-1] == "mine"
    assert modality.metrics[-1].name == "always"
    assert all(network.name != "mine" for network in load_plugin("image").modality.generators)
    said = r"is an extension \(cyclekit_generators, cyclekit_metrics\).*--extension extra"
    with pytest.raises(PluginError, match=said):
        load_plugin("extra")


def test_an_extension_ships_recipes(site: Path, cli: Callable[..., Any]) -> None:
    neighbour(site, "shipping", "")
    package = site / "neighbour_shipping"
    (package / "recipes").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from cyclekit.api import Network, RESNET, hookimpl\n"
        "@hookimpl\ndef cyclekit_generators(modality):\n"
        "    yield Network('mine', RESNET.build, RESNET.options)\n"
    )
    (package / "recipes" / "ours.toml").write_text(
        "plugin = 'image'\nextends = 'demo'\nextensions = ['shipping']\n"
        "generator = { name = 'mine', channels = 4, blocks = 1 }\n"
    )
    (package / "recipes" / "small.toml").write_text("plugin = 'image'\n")
    assert find_recipes(find_plugin("image"))["small"].parent.name == "image"  # its own goes first
    assert find_recipes(find_plugin("shipping")) == {}
    listed = json.loads(cli("recipes", "list", "image", "--json").out)
    assert "ours" in [row["name"] for row in listed]
    for named in (["--recipe=ours"], ["--recipe=image/ours"], ["--plugin=image", "--recipe=ours"]):
        tried = cli("train", *named, "--dry-run", "--accelerator=cpu")
        assert tried.code == 0, tried.err


def test_an_extension_is_named_beside_those_of_the_recipe(
    site: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    for name in ("one", "two"):
        neighbour(
            site,
            name,
            f"""
from cyclekit.api import Network, RESNET, hookimpl
@hookimpl
def cyclekit_generators(modality):
    yield Network({name!r}, RESNET.build, RESNET.options)
""",
        )
    recipe = tmp_path / "mine.toml"
    recipe.write_text("plugin = 'image'\nextends = 'demo'\nextensions = ['one']\n")
    for name in ("one", "two"):
        plan = plan_training(None, str(recipe), [("generator.name", name, "test")], ["two"])
        assert plan.recipe.extensions == ("one", "two")
        assert plan.recipe.generator.name == name
    shown = cli("plugins", "show", "image", "two", "--extension", "two")
    assert shown.code == 0, shown.err


def test_recipes_that_extend_each_other_from_afar_belong_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "near.toml").write_text("extends = 'far/a.toml'")
    (tmp_path / "far" / "a.toml").write_text("extends = 'near.toml'")
    with pytest.raises(UsageError, match="does not say which plugin it is for"):
        plan_training(None, "near.toml")
    (tmp_path / "mine.toml").write_text("extends = 'small'")
    assert plan_training(None, "mine.toml").host.modality.name == "image"


OBJECTIVE = """
from cyclekit.api import CycleObjective, hookimpl
class Mine(CycleObjective):
    name = "mine"
    def networks(self, build):
        {networks}
        return super().networks(build)
    def losses(self, phase, networks, batch, step):
        {losses}
        return super().losses(phase, networks, batch, step)
@hookimpl
def cyclekit_objectives(modality):
    yield Mine
"""
FINE = {"networks": "pass", "losses": "pass"}
BLAMED = r"Extension 'extra' \(cyclekit_extra 1.2\)"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import a_module_that_is_not_there",
            rf"^{BLAMED} cannot be imported: ModuleNotFoundError: .*Install what it needs, or "
            "reinstall cyclekit_extra",
        ),
        (
            "def broken(:",
            rf"^{BLAMED} cannot be imported: SyntaxError: .*neighbour_extra.py, line 1.*author",
        ),
        (
            "raise SystemExit('no licence')",
            rf"^{BLAMED} cannot be imported: SystemExit: no licence",
        ),
        (
            OBJECTIVE.format(**FINE).replace("yield Mine", "import gone; yield Mine"),
            rf"^{BLAMED} failed in cyclekit_objectives: ModuleNotFoundError: .*Install what it",
        ),
        (
            OBJECTIVE.format(**FINE).replace('"mine"', '"cut"'),
            rf"^{BLAMED} adds to the objectives one called 'cut', but there is one.*another name",
        ),
        (
            OBJECTIVE.format(**FINE).replace('"mine"', '"mine"; Options = dict'),
            rf"^{BLAMED}: cyclekit_objectives: the options of 'mine' must be a subclass of Options",
        ),
        ("from cyclekit.api import *" + OLD_FIT, rf"^{BLAMED}: Metric 'old': fit must take"),
    ],
)
def test_an_extension_is_to_blame_for_itself(
    site: Path, cli: Callable[..., Any], source: str, said: str
) -> None:
    neighbour(site, "extra", source)
    with pytest.raises(PluginError, match=said):
        load_plugin("image", ["extra"])
    shown = cli("plugins", "show", "image", "--extension", "extra")
    assert (shown.code, shown.out) == (1, "")
    assert re.search(said.removeprefix("^"), shown.err)
    assert load_plugin("image").modality.name == "image"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("networks", rf"{BLAMED} failed to make the networks of objective 'mine': ModuleNotFound"),
        ("losses", rf"Objective 'mine' failed in its losses.*ModuleNotFound.*{BLAMED} brings it"),
    ],
)
def test_what_an_extension_imports_late_is_its_own_matter(
    site: Path, folders: Path, cli: Callable[..., Any], place: str, said: str
) -> None:
    neighbour(site, "extra", OBJECTIVE.format(**(FINE | {place: "import gone"})))
    tried = cli("train", "--plugin=image", "--recipe=horse2zebra", "--extension=extra",
                "--set=objective.name=mine", f"--data={folders}", "--accelerator=cpu",
                f"--run-dir={site / 'run'}", *as_options(SMALL))  # fmt: skip
    assert tried.code == 1
    assert re.search(said, tried.err), tried.err
    assert "'image'" not in tried.err


def test_checking_plugins_calls_what_extensions_add(site: Path, cli: Callable[..., Any]) -> None:
    neighbour(site, "extra", OBJECTIVE.format(**FINE).replace("yield Mine", "1 / 0"))
    neighbour(site, "sound", OBJECTIVE.format(**FINE))
    rows = {row["name"]: row for row in json.loads(cli("plugins", "list", "--check", "--json").out)}
    assert rows["extra"]["state"] == "broken"
    assert "failed in cyclekit_objectives: ZeroDivisionError" in rows["extra"]["detail"]
    assert (rows["sound"]["state"], rows["image"]["state"]) == ("extension", "ok")


def test_an_extension_that_is_not_there_says_who_names_it(site: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("plugin = 'image'\nextends = 'demo'\nextensions = ['away']\n")
    with pytest.raises(UsageError, match=r"No extension called 'away'.*recipe's ext.*Install the"):
        plan_training(None, str(recipe))


def test_a_broken_recipe_is_the_fault_of_the_package_that_brings_it(
    site: Path, cli: Callable[..., Any]
) -> None:
    neighbour(site, "shipping", "")
    (site / "neighbour_shipping.py").unlink()
    recipes = site / "neighbour_shipping" / "recipes"
    recipes.mkdir(parents=True)
    (recipes.parent / "__init__.py").write_text("")
    (recipes / "ours.toml").write_text("plugin = 'image'\nextends = \n")
    rows = json.loads(cli("recipes", "list", "--json").out)
    assert {"demo", "small"} < {row["name"] for row in rows}
    assert [row["plugin"] for row in rows if "ours.toml is not valid TOML" in row["summary"]] == [
        "shipping"
    ]
    for named in (["--recipe=ours"], ["--plugin=image", "--recipe=ours"]):
        tried = cli("train", *named)
        assert tried.code == 2
        assert "Plugin 'shipping' (cyclekit_shipping 1.2) has a broken recipe" in tried.err
        assert "ours.toml is not valid TOML" in tried.err


def test_an_entry_point_that_names_no_module_harms_nobody_else(
    site: Path, cli: Callable[..., Any]
) -> None:
    neighbour(site, "hyphened", "")
    entry = site / "cyclekit_hyphened-1.2.dist-info" / "entry_points.txt"
    entry.write_text("[cyclekit]\nhyphened = cyclekit-hyphened\n")
    assert cli("recipes", "list", "image").code == 0
    assert load_plugin("image").modality.name == "image"
    with pytest.raises(
        PluginError, match=r"'cyclekit-hyphened', which cannot be found.*correct the"
    ):
        load_plugin("hyphened")


def test_the_objective_of_an_extension_is_the_one_to_check(
    site: Path, cli: Callable[..., Any]
) -> None:
    neighbour(
        site,
        "forgetful",
        """
from cyclekit.api import CycleObjective, hookimpl
class Forgetful(CycleObjective):
    name = "forgetful"
@hookimpl
def cyclekit_objectives(modality):
    yield Forgetful
class Other(CycleObjective):
    name = "other"
""",
    )
    found = _brought_objective("image", ["forgetful"])
    assert found == "forgetful"
    assert _brought_objective("image", []) is None


def test_an_observer_cannot_stop_a_run(site: Path) -> None:
    source = """
from cyclekit.api import hookimpl
seen = []
@hookimpl
def cyclekit_step_logged(run, record):
    seen.append(record["step"])
    raise RuntimeError("webhook is down")
"""
    neighbour(site, "watching", source)
    host = load_plugin("image", ["watching"])
    warned: list[str] = []
    for step in (1, 2):
        host.observe("cyclekit_step_logged", warned.append, run=Path("r"), record={"step": step})
    import neighbour_watching  # type: ignore[import-not-found]

    assert neighbour_watching.seen == [1, 2]
    assert warned == [
        "plugin 'watching' failed in cyclekit_step_logged: RuntimeError: webhook is down "
        "(at neighbour_watching.py:7)"
    ]


HEAVY = {"torch", "numpy", "pydantic", "rich"}


def test_nothing_heavy_is_imported_for_listings_and_help(tmp_path: Path) -> None:
    for arguments in (["--help"], ["train", "--help"], ["plugins", "list"], ["recipes", "list"]):
        script = (
            "import sys\nfrom cyclekit.cli import main\n"
            f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
            f"heavy = {HEAVY | ({'filelock'} if '--help' in arguments else set())!r}\n"
            "print('HEAVY', sorted(heavy & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert "HEAVY []" in done.stdout, (arguments, done.stdout, done.stderr)


def test_code_and_requirements_make_a_fingerprint(site: Path) -> None:
    neighbour(site, "printed", GOOD.format(name="printed", api=2))
    before = find_plugin("printed").fingerprint()
    assert find_plugin("printed").fingerprint() == before
    (site / "neighbour_printed.py").write_text(GOOD.format(name="printed", api=2) + "x = 1")
    assert find_plugin("printed").fingerprint() != before
    spaced = site / "no_init_file"
    spaced.mkdir()
    (spaced / "plugin.py").write_text("x = 1")
    info = site / "cyclekit_spaced-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: cyclekit_spaced\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[cyclekit]\nspaced = no_init_file.plugin\n")
    first = find_plugin("spaced").fingerprint()
    (spaced / "plugin.py").write_text("x = 2")
    assert find_plugin("spaced").fingerprint() != first
