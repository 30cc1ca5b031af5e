"""The documentation says what the code does."""

import importlib.util
import re
from pathlib import Path

import cyclekit

ROOT = Path(cyclekit.__file__).parents[1]


def test_the_recipe_reference_is_up_to_date() -> None:
    script = ROOT / "docs" / "make_recipe_reference.py"
    spec = importlib.util.spec_from_file_location("make_recipe_reference", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert written == module.reference(), "run: python docs/make_recipe_reference.py"


def test_links_in_the_documentation_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
