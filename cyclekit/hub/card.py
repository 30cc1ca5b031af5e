"""A model card: what a run was trained on, what it was measured at, and how it is used."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cyclekit.errors import UsageError
from cyclekit.names import counted_items
from cyclekit.reporting.curves import worded
from cyclekit.reporting.media import PICTURES, files_in, of_kind
from cyclekit.reporting.reading import Directions, Evaluation, RunStory
from cyclekit.runs.layout import RunLayout
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file

SHOWN = "card"  # folder of its pictures
NAME = "README.md"  # what hubs show
LEARNED, REAL = "translated", "real"
MEAN = "both"  # the directions' mean
MOST_DIRECTIONS = 8
FILL_IN = "_To be filled in by whoever passes this model on._"


def write_card(folder: Path, output: Path | None = None) -> Path:
    """Write the card of a run, and its pictures beside it; returns where it is.

    Args:
        folder: The run.
        output: The card's file; default: ``README.md`` in the run.

    Raises:
        CheckpointError: If the folder is no run, or its files are damaged.
        UsageError: If there is something already: somebody may have filled it in.
    """
    run = RunLayout.open(folder)
    output = output or run.folder / NAME
    if output.exists():
        raise UsageError(f"{output} is there already. Remove it, or name another file with -o.")
    story = RunStory(run)
    storage = Storage(output.parent)
    storage.write_text(output.name, make_card(story, copy_pictures(story, storage)))
    return output


def copy_pictures(story: RunStory, storage: Storage) -> list[str]:
    """Copy what the newest previews show; returns the files' paths in the storage."""
    copied = []
    for step in sorted(story.samples, reverse=True):
        for file in of_kind(files_in(story.samples[step]), PICTURES):
            name = re.sub(r"[^\w-]+", "-", file.stem)[:100] + file.suffix.lower()
            with open_file(file) as content:
                storage.below(SHOWN).write_stream(name, content)
            copied.append(f"{SHOWN}/{name}")
        if copied:
            break
    return copied


def make_card(story: RunStory, shown: Sequence[str], repository: str = "") -> str:
    """The card as Markdown, with the head that hubs read.

    Args:
        story: What the run's files say.
        shown: Pictures, as the card names them.
        repository: Where the run can be had, ``hf:USER/NAME``; empty: nowhere yet.
    """
    plugin = _plain(story.plugin["name"])
    summary = _plain(str(story.recipe.get("summary") or ""))
    measured = [found for found in story.evaluations if found.translated]
    parts = [
        _head(plugin),
        f"# {_plain(story.name)}",
        f"{summary}\n\n" * bool(summary) + f"A run of cyclekit {story.info.get('cyclekit')}, "
        f"plugin `{plugin}`, after {story.step:,} steps. "
        f"Objective `{_plain(str(story.setting('objective', 'name')))}`, generator "
        f"`{_plain(str(story.setting('generator', 'name')))}`.",
        "## Use\n\n" + _use(story, repository),
        "## Data\n\n" + _data(story),
        "## Figures\n\n" + ("\n\n".join(map(_figures, measured)) or "It was not measured."),
        *(
            ["## Examples\n\n" + "\n\n".join(f"![{_plain(p)}]({p})" for p in shown)]
            if shown
            else []
        ),
        "## Limits\n\n"
        "It makes what its training data made likely, also where that is wrong: results are "
        "inventions and no evidence of anything. What is unlike the training data may come out "
        f"as anything. Uses that it is not meant for: {FILL_IN}",
        f"## Licence\n\n{FILL_IN} That of the data may limit what the model may be used for.",
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _head(plugin: str) -> str:
    lines = ["---", "library_name: cyclekit", "license: other", "license_name: to-be-filled-in"]
    tags = ["cyclekit", "unpaired-translation", plugin]
    return "\n".join([*lines, "tags:", *(f"- {tag}" for tag in tags), "---"])


def _use(story: RunStory, repository: str) -> str:
    where = repository or "PATH_OF_THIS_RUN"
    ways = list(story.evaluations[0].translated) if story.evaluations else []
    way = next((name for name in ways if name != MEAN), "DIRECTION")
    plugin = story.plugin
    ours = plugin["distribution"] == "cyclekit"
    extras = ",".join([_plain(plugin["name"])] * ours + ["hub"] * bool(repository))
    needs = [f"pip install 'cyclekit[{extras}]'" if extras else "pip install cyclekit"]
    if not ours:
        needs.append(f"pip install '{_plain(plugin['distribution'])}=={_plain(plugin['version'])}'")
    return (
        "```\n" + "\n".join(needs) + f"\ncyclekit translate {where} INPUT -o out "
        f"--direction {_plain(way)}\n```\n\n"
        "```python\nimport cyclekit\n\n"
        f'cyclekit.load("{where}").translate("INPUT", "{_plain(way)}")\n```\n\n'
        "Loading it runs no code: weights are safetensors, all else is text."
    )


def _data(story: RunStory) -> str:
    counted = [
        f"- {_plain(name)}: {files:,} training files, {windows:,} windows"
        for name, (files, windows) in story.training_files().items()
    ]
    root = story.setting("data", "root")
    named = f"`{_plain(Path(str(root)).name)}`" if root else "Folders of its own"
    return (
        f"{named}.\n\n" + "\n".join(counted) + f"\n\nWhere it is from, and who is in it: {FILL_IN}"
    )


def _figures(found: Evaluation) -> str:
    """A table for each direction: what was learned beside other ways to translate."""
    ways: Mapping[str, Directions] = {LEARNED: found.translated, **found.baselines}
    ways = {**ways, **({REAL: found.real} if found.real else {})}
    on = f" on {_plain(found.other)}" if found.other else ""
    counted = f", test items: {counted_items(found.items)}" if found.items else ""
    tables = [f"Step {found.step:,}{on}{counted}; ↑: higher is better, ↓: lower is better."]
    directions = [way for way in found.translated if way != MEAN]
    for direction in directions if len(directions) <= MOST_DIRECTIONS else [MEAN]:
        heads = [direction, *map(worded, ways)]
        rows = [heads, ["---"] * len(heads)]
        for name in found.translated.get(direction, {}):
            better = found.higher_is_better.get(name)
            arrow = "" if better is None else " ↑" if better else " ↓"
            cells = [_cell(found, way, direction, name) for way in ways]
            rows.append([worded(name) + arrow, *cells])
        tables.append("\n".join(f"| {' | '.join(map(_plain, row))} |" for row in rows))
    return "\n\n".join(tables)


def _cell(found: Evaluation, way: str, direction: str, name: str) -> str:
    source = found.translated if way == LEARNED else found.baselines.get(way, found.real)
    value = source.get(direction, {}).get(name)
    ends = found.intervals.get(way, {}).get(direction, {}).get(name)
    if value is None:
        return ""
    return f"{value:.4g}" + (f" ({ends[0]:.4g} to {ends[1]:.4g})" if ends else "")


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing else: names in a run may be anybody's."""
    one_line = " ".join(text.encode("utf-8", "replace").decode().split())
    return "".join("\\" + c if c in "\\`|<>[]" else c for c in one_line)[:500]
