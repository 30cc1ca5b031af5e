"""The documentation says what the code does."""

import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import cyclekit
from cyclekit import api, hookspecs, testing

ROOT = Path(cyclekit.__file__).parents[1]


def made_by(script: str) -> Any:
    """A script of the documentation, imported."""
    spec = importlib.util.spec_from_file_location(script, ROOT / "docs" / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "script"),
    [
        ("recipes.md", "make_recipe_reference"),
        ("plugins/reference.md", "make_plugin_reference"),
    ],
)
def test_references_are_up_to_date(page: str, script: str) -> None:
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == made_by(script).reference(), f"run: python docs/{script}.py"


def test_every_hook_and_public_name_is_documented_with_its_signature() -> None:
    page = (ROOT / "docs/plugins/reference.md").read_text(encoding="utf-8")
    hooks = [name for name in vars(hookspecs) if name.startswith("cyclekit_")]
    assert len(hooks) >= 8
    for name in (*hooks, *api.__all__, *testing.__all__):
        thing = getattr(hookspecs, name, None) or getattr(api, name, getattr(testing, name, None))
        assert f"### `{name}`\n" in page, name
        if not (inspect.isfunction(thing) or inspect.isclass(thing)):
            continue
        assert thing.__doc__, name
        own = "__init__" in vars(thing) or inspect.isfunction(thing)
        for parameter in inspect.signature(thing).parameters.values() if own else ():
            heading = page.split(f"### `{name}`\n", 1)[1].split("```\n", 1)[0]
            assert re.search(rf"\b{parameter.name}\b", heading), (name, parameter.name)


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
