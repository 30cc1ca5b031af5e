"""No module needs itself: what imports what, in cyclekit and in each plugin, has no circles.

Imports for types alone and those inside functions count: what a function imports late for the sake
of a fast start is still something that its module builds on.
"""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import cyclekit

HOME = Path(cyclekit.__file__).parent
PACKAGES = [HOME, *sorted((HOME.parent / "plugins").glob("cyclekit_*"))]


def modules(package: Path) -> dict[str, Path]:
    """A package's modules by their names."""
    found = {}
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if file.stem == "__init__" else parts)] = file
    return found


def imported(text: str, known: Mapping[str, object]) -> Iterator[str]:
    """Which of the known modules a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in known else node.module for name in inner)


def circle(package: Path) -> list[str]:
    """Modules of which each imports the one before it, the last and the first being the same."""
    known = modules(package)
    graph = {name: set(imported(file.read_text(), known)) for name, file in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_imports_have_no_circles(package: Path) -> None:
    assert circle(package) == []


@pytest.mark.parametrize(
    "late",
    ["from package import a", "from package.a import X", "import package.a",
     "if TYPE_CHECKING:\n    from package.a import X", "def f():\n    from package import a"],
)  # fmt: skip
def test_a_circle_is_found(tmp_path: Path, late: str) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for name, text in (("__init__", ""), ("a", "from package.b import X"), ("b", late)):
        (package / f"{name}.py").write_text(text)
    assert set(circle(package)) == {"package.a", "package.b"}
