"""The page: its sections in order, and the file that holds them."""

import base64
import hashlib
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from cyclekit.errors import UsageError
from cyclekit.reporting.figures import evaluations
from cyclekit.reporting.losses import losses
from cyclekit.reporting.markup import Markup, element, escaped, joined
from cyclekit.reporting.previews import previews
from cyclekit.reporting.reading import RunStory
from cyclekit.reporting.summary import header, recipe
from cyclekit.reporting.troubles import troubles
from cyclekit.runs.layout import RunLayout
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file

NAME = "report.html"
SIGNED = " · cyclekit"  # how every page's title ends
HEAD = 10_000  # bytes in which that is


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Write the page of a run.

    Args:
        folder: The run.
        output: The page's file; default: ``report.html`` in the run.

    Returns:
        Where it is.

    Raises:
        CheckpointError: If the folder is no run, or its files are damaged.
        UsageError: If ``output`` is a folder, or another file.
    """
    run = RunLayout.open(folder)
    output = output or run.folder / NAME
    require_free(output, NAME)
    return write_page(output, make_page(RunStory(run)))


def require_free(output: Path, name: str) -> None:
    """Refuse to write a page in place of what is none.

    Args:
        output: Where one is about to be.
        name: What it may be called.

    Raises:
        UsageError: If that is a folder, or a file that was not written here.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder. Name a file, such as {output / name}.")
    if output.is_file() and not _is_page(output):
        raise UsageError(
            f"{output} is there already, and is no page of cyclekit's. Remove it, or name another "
            f"file, such as {output.with_name(name)}."
        )


def write_page(output: Path, page: str) -> Path:
    """Write a page in place of an older one; returns where it is."""
    storage = Storage(output.parent)
    storage.clean(alone=False)
    return storage.write_text(output.name, page)


def _is_page(file: Path) -> bool:
    """Whether a file begins as every page does."""
    with open_file(file, follow=True) as content:
        return f"{SIGNED}</title>".encode() in content.read(HEAD)


def make_page(story: RunStory) -> str:
    """The whole page, which needs nothing but itself."""
    sections = {
        "previews": previews(story),
        "figures": evaluations(story),
        "troubles": troubles(story),
        "losses": losses(story),
        "recipe": recipe(story),
    }
    shown = {name: content for name, content in sections.items() if content}
    links = [element("a", name.capitalize(), href=f"#{name}") for name in shown]
    body = joined(
        header(story, element("nav", *links)),
        *(element("section", content, id=name) for name, content in shown.items()),
        element(
            "footer",
            f"Made by cyclekit {version('cyclekit')} from the files of the run; times are UTC.",
            class_="soft",
        ),
    )
    return whole_page(story.name, body)


def whole_page(title: str, body: Markup) -> str:
    """A page that fetches nothing and runs nothing but its own script.

    Args:
        title: Of the window.
        body: What is in it.
    """
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        policy=escaped(_policy(style, script)),
        title=escaped(f"{title}{SIGNED}"),
        style=style,
        script=script,
        body=body,
    )


def _policy(style: str, script: str) -> str:
    """Nothing is fetched, and nothing runs but the page's own script and style."""
    return (
        f"default-src 'none'; img-src data:; media-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _part(name: str) -> Markup:
    return Markup(files("cyclekit.reporting").joinpath(name).read_text(encoding="utf-8"))
