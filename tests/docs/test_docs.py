"""The documentation says what the code does."""

import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import cyclekit
from cyclekit import api, hookspecs, testing
from cyclekit.runs.layout import RunLayout
from cyclekit.storage.folder import Storage

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
    ("page", "script", "maker"),
    [
        ("recipes.md", "make_recipe_reference", "reference"),
        ("contract.md", "make_plugin_reference", "reference"),
        ("python.md", "make_plugin_reference", "python_reference"),
        ("command-line.md", "make_command_reference", "reference"),
    ],
)
def test_references_are_up_to_date(page: str, script: str, maker: str) -> None:
    written = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert written == getattr(made_by(script), maker)(), "run: make references"


def test_decisions_have_numbers_and_dates() -> None:
    page = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    tidy = made_by("tidy_decisions")
    assert len(tidy.NUMBERED.findall(page)) > 200
    assert not tidy.ENTRY.findall(page), "run: python docs/tidy_decisions.py"
    numbers = tidy.NUMBERED.findall(page)
    assert len(numbers) == len(set(numbers)), "two decisions have one number"


def test_every_hook_and_public_name_is_documented_with_its_signature() -> None:
    page = (ROOT / "docs/reference/contract.md").read_text(encoding="utf-8")
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
    own = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
    pages = (
        *(ROOT / name for name in own),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*/*.md"),
    )
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


MADE = {"recipes.md", "contract.md", "python.md", "command-line.md"}
NOTEBOOKS = {"decisions.md", "trials.md", "costs.md"}  # grown over time, and long where facts are
BY_HAND = [
    page
    for page in (
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
        *ROOT.glob("docs/**/*.md"),
    )
    if page.name not in MADE
]
TWO_SENTENCES = re.compile(r"[a-z)`\"][.!?] (?=[A-Z][a-z]* [a-z])")
INVERTED = re.compile(r"^(Were|Had|Should) \w+ ", re.M)
LONGEST = 5  # lines of a paragraph


def paragraphs(page: Path) -> list[list[str]]:
    """A page's paragraphs as lines; code, tables, headings and lists are none."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    found = [block.splitlines() for block in re.split(r"\n\s*\n", text)]
    return [lines for lines in found if lines and re.match(r"[A-Za-z`*\[(\"]", lines[0])]


@pytest.mark.parametrize("page", BY_HAND, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_have_a_sentence_on_a_line_and_short_paragraphs(page: Path) -> None:
    for lines in paragraphs(page):
        if page.name not in NOTEBOOKS:
            assert len(lines) <= LONGEST, f"a paragraph of {len(lines)} lines: {lines[0]}"
        for line in lines:
            assert not TWO_SENTENCES.search(line), f"two sentences on a line: {line}"
            assert not INVERTED.search(line), line


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_file_of_a_run_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "files.md").read_text()
    run = RunLayout(Path("run"))
    held = [each for each in vars(run).values() if isinstance(each, Path) and each != run.folder]
    held += [each.path for each in vars(run).values() if isinstance(each, Storage)]
    for file in held:
        if file != run.folder:
            assert f"`{file.relative_to(run.folder)}" in page, file
