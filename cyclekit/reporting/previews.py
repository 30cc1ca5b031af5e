"""What can be seen and heard: sheets over time, the newest sounds."""

import re
from collections.abc import Sequence
from pathlib import Path

from cyclekit.names import heading
from cyclekit.reporting.markup import Markup, element, joined
from cyclekit.reporting.media import (
    DOWNLOADS,
    KINDS,
    MEBIBYTE,
    MOST_BYTES,
    PICTURES,
    SOUNDS,
    Attachments,
    files_in,
    of_kind,
    spread,
)
from cyclekit.reporting.reading import RunStory


def previews(story: RunStory) -> Markup:
    """The sheets of some steps, and what is to hear of the newest; nothing where there are none."""
    found = {step: files_in(folder) for step, folder in story.samples.items()}
    found = {step: files for step, files in found.items() if files}
    if not found:
        return Markup("")
    newest = max(found)
    seen = spread([step for step, files in found.items() if of_kind(files, PICTURES)])
    attachments = Attachments()
    # The newest first: it must not be left out for the sake of earlier ones.
    pictures = {newest: _pictures(found[newest], newest, attachments)}
    sounds = _sounds(found[newest], attachments)
    for step in reversed(seen):
        if step != newest:
            pictures[step] = _pictures(found[step], step, attachments)
    frames = {step: pictures[step] for step in sorted(pictures) if pictures[step]}
    steps_with_pictures = sum(bool(of_kind(files, PICTURES)) for files in found.values())
    return joined(
        element("h2", "Previews"),
        _items(story),
        _film(frames, steps_with_pictures) if frames else "",
        sounds,
        _remarks(found[newest], story.samples[newest], attachments),
    )


def _items(story: RunStory) -> Markup:
    shown = [
        f"{heading(domain)}: {', '.join(names)}"
        for domain, names in story.shown_items().items()
        if names
    ]
    if not shown:
        return Markup("")
    return element("p", f"The same items at every step. {'; '.join(shown)}.", class_="soft")


def _pictures(files: Sequence[Path], step: int, attachments: Attachments) -> list[Markup]:
    made = []
    for file in of_kind(files, PICTURES):
        if address := attachments.embed(file):
            made.append(element("img", src=address, alt=f"{file.name} of step {step:,}"))
    return made


def _film(frames: dict[int, list[Markup]], steps: int) -> Markup:
    """One frame at a time, chosen by radio buttons, which arrow keys turn."""
    last = len(frames) - 1
    choices = [
        element("input", type="radio", name="frame", id=f"f{n}", class_="choice", checked=n == last)
        for n in range(len(frames))
    ]
    labels = [element("label", f"{step:,}", for_=f"f{n}") for n, step in enumerate(frames)]
    pictures = [
        element(
            "figure",
            element("figcaption", f"Step {step:,}" + " (before training)" * (step == 0)),
            *made,
            class_=f"frame f{n}",
        )
        for n, (step, made) in enumerate(frames.items())
    ]
    some = f" ({len(frames)} of {steps} steps)" if steps > len(frames) else ""
    return joined(
        *choices,
        element("div", f"Step{some}", *labels, class_="choices") if len(frames) > 1 else "",
        element("div", *pictures, class_="film card"),
    )


def _sounds(files: Sequence[Path], attachments: Attachments) -> Markup:
    """A row for each item where names begin with a number, else one after the other."""
    cells: dict[str, list[Markup]] = {}
    for file in (*of_kind(files, SOUNDS), *of_kind(files, DOWNLOADS)):
        if not (address := attachments.embed(file)):
            continue
        if file.suffix.lower() in SOUNDS:
            # Nothing is decoded before it is played.
            made = element("audio", controls=True, preload="none", src=address)
        else:
            made = element("a", f"Download {file.suffix}", href=address, download=file.name)
        cells.setdefault(file.stem, []).append(made)
    if not cells:
        return Markup("")
    rows: dict[str, list[Markup]] = {}
    for stem, heard in cells.items():
        number = re.match(r"\d+", stem)
        row = rows.setdefault(number[0] if number else stem, [])
        row.append(element("td", element("span", stem), *heard))
    table = element("table", *(element("tr", *row) for row in rows.values()), class_="sounds")
    return element("div", element("h3", "To hear, of the newest step"), table, class_="card scroll")


def _remarks(files: Sequence[Path], folder: Path, attachments: Attachments) -> Markup:
    remarks = []
    if attachments.left_out:
        size = attachments.left_out_bytes / MEBIBYTE
        remarks.append(
            f"{attachments.left_out} files ({size:.1f} MiB) are left out, since a page holds "
            f"{MOST_BYTES // MEBIBYTE} MiB of them at most: look into samples/."
        )
    others = [file for file in files if file.suffix.lower() not in KINDS]
    if others:
        kinds = ", ".join(sorted({file.suffix or "no suffix" for file in others}))
        remarks.append(f"{len(others)} other files ({kinds}) are in samples/{folder.name}.")
    return element("p", " ".join(remarks), class_="soft") if remarks else Markup("")
