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

NAME = "report.html"


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Write the page of a run.

    Args:
        folder: The run.
        output: The page's file; default: ``report.html`` in the run.

    Returns:
        Where it is.

    Raises:
        CheckpointError: If the folder is no run, or its files are damaged.
        UsageError: If ``output`` is a folder.
    """
    run = RunLayout.open(folder)
    output = output or run.folder / NAME
    if output.is_dir():
        raise UsageError(f"{output} is a folder. Name a file, such as {output / NAME}.")
    page = make_page(RunStory(run))
    storage = Storage(output.parent)
    storage.clean(alone=False)
    storage.write_text(output.name, page)
    return output


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
        title=escaped(f"{title} · cyclekit"),
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
