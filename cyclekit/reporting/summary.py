"""What was run where and how far it came; the recipe."""

import math
from datetime import UTC, datetime
from statistics import median
from typing import Any

from cyclekit.describe import duration
from cyclekit.names import heading, samples
from cyclekit.reporting.curves import number
from cyclekit.reporting.markup import Markup, element, joined
from cyclekit.reporting.reading import RunStory
from cyclekit.runs.records import PER_SECOND, PER_STEP

MOST_SKIPPED = 50  # skipped files that are listed


def header(story: RunStory, navigation: Markup) -> Markup:
    """Name, how far it came, and the facts."""
    summary = story.recipe.get("summary")
    facts = [joined(element("dt", name), element("dd", fact)) for name, fact in _facts(story)]
    return element(
        "header",
        element("div", f"cyclekit · {story.plugin['name']}", class_="over"),
        element("h1", story.name),
        element("p", str(summary)) if summary else "",
        "" if story.losses else element("p", _unlogged(story)),
        navigation,
        element("dl", *_tiles(story), class_="tiles"),
        element("dl", *(element("div", fact) for fact in facts), class_="facts card"),
        _skipped(story),
    )


def _unlogged(story: RunStory) -> str:
    """Why there is nothing to see of a training."""
    if story.imported():
        return "The networks of this run were trained elsewhere."
    return "This run has not logged anything yet."


def recipe(story: RunStory) -> Markup:
    """The resolved recipe as it is in the run."""
    return joined(
        element("h2", "Recipe"),
        element(
            "details",
            element("summary", "Every setting of the run (recipe.toml)"),
            element("pre", story.recipe_text),
            class_="card",
        ),
    )


def _tiles(story: RunStory) -> list[Markup]:
    done = joined(
        f"{story.step:,}",
        element("small", f"of {story.steps:,}" if story.steps else "steps in all unknown"),
        element("progress", max=story.steps, value=min(story.step, story.steps))
        if story.steps
        else "",
    )
    tiles = [("Step", done)]
    rates = [r for record in story.timing if (r := _positive(record.get(PER_SECOND)))]
    if spent := _training_seconds(story):
        elapsed = _elapsed(story)
        whole = f"{duration(elapsed)} from its start to the last line" if elapsed > spent else ""
        tiles.append(("Training steps took", _tile(duration(spent), whole)))
    if rates:
        tiles.append(
            ("Samples a second", _tile(f"{median(rates):.3g}", "of each domain, the median"))
        )
    device = str(story.info.get("device", "unknown"))
    threads = story.info.get("threads")
    with_threads = f"threads: {threads}" if device == "cpu" and threads else ""
    tiles.append(("Device", _tile(device, with_threads)))
    return [element("div", element("dt", name), element("dd", what)) for name, what in tiles]


def _tile(what: str, remark: str) -> Markup:
    return joined(what, element("small", remark) if remark else "")


def _facts(story: RunStory) -> list[tuple[str, str]]:
    plugin, info, written = story.plugin, story.info, story.checkpoint
    facts = [
        ("Plugin", f"{plugin['name']} ({plugin['distribution']} {plugin['version']})"),
        ("Versions", ", ".join(f"{n} {info[n]}" for n in _VERSIONS if n in info)),
    ]
    now = written.get("plugin")
    if written and (written.get("cyclekit"), now) != (info.get("cyclekit"), plugin):
        version = f" {now.get('version')}" if isinstance(now, dict) else ""
        facts.append(
            ("Last checkpoint written by", f"cyclekit {written.get('cyclekit')}, plugin{version}")
        )
    facts.append(("Started", str(info.get("started", "")).replace("T", " ").removesuffix("+00:00")))
    if last := [t for record in story.timing if (t := _positive(record.get("time")))]:
        facts.append(("Last line logged", _moment(last[-1])))
    facts.append(("Imported", "; ".join(story.imported())))
    facts.append(("Data", _data(story)))
    if "global_batch" in written:
        ranks = written.get("ranks")
        on = f", on {ranks} ranks" if ranks != 1 else ""
        facts.append(("A step", f"{samples(written['global_batch'])} of each domain{on}"))
    for name, table, key in (("Precision", "train", "precision"), ("Seed", "train", "seed")):
        facts.append((name, str(story.setting(table, key))))
    facts.append(("Changed", "; ".join(story.changes())))
    networks = [story.setting(kind, "name") for kind in ("generator", "discriminator")]
    facts.append(("Networks", " and ".join(str(name) for name in networks if name)))
    facts.append(("Checkpoints", _checkpoints(story)))
    return [(name, fact) for name, fact in facts if fact and fact != "None"]


_VERSIONS = ("cyclekit", "torch", "python")


def _data(story: RunStory) -> str:
    root = story.setting("data", "root")
    named = story.setting("data", "domains")
    folders = list(named.values()) if isinstance(named, dict) else []
    if root is None and not folders:
        return ""  # it was imported, and has none
    place = root or " and ".join(map(str, folders))
    counted = [
        f"{heading(domain)} {files:,} files, {windows:,} windows"
        for domain, (files, windows) in story.training_files().items()
    ]
    return "; ".join([str(place), *counted])


def _checkpoints(story: RunStory) -> str:
    if not story.checkpoints:
        return "none yet"
    best = story.checkpoint_step("best")
    names = [f"{step:,} (best)" if step == best else f"{step:,}" for step in story.checkpoints]
    return "step " + ", ".join(names)


def _skipped(story: RunStory) -> Markup:
    lines = story.skipped()
    if not lines:
        return Markup("")
    more = f"\n... and {len(lines) - MOST_SKIPPED} more" if len(lines) > MOST_SKIPPED else ""
    return element(
        "details",
        element("summary", f"{len(lines)} files could not be used (skipped.txt)"),
        element("pre", "\n".join(lines[:MOST_SKIPPED]) + more),
        class_="card",
    )


def _training_seconds(story: RunStory) -> float:
    total, before = 0.0, 0
    for record in story.timing:
        total += (_positive(record.get(PER_STEP)) or 0.0) * (record["step"] - before)
        before = record["step"]
    return total if math.isfinite(total) else 0.0


def _elapsed(story: RunStory) -> float:
    times = [t for record in story.timing if (t := _positive(record.get("time")))]
    try:
        started = datetime.fromisoformat(str(story.info.get("started"))).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(times, default=started) - started


def _moment(time: float) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return ""


def _positive(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and 0 < found < math.inf else None
