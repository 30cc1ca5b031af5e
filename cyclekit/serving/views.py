"""What a page shows of a translation: pictures to compare, sounds to play, from the codec alone."""

import mimetypes
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.previews import Media, PreviewRow
from cyclekit.data.encoded import failure, guarded, load_file
from cyclekit.runs.open_run import OpenRun
from cyclekit.storage.folder import Storage
from cyclekit.translating.job import BACK, Job, made_of
from cyclekit.translating.outcome import write_item

VIEWS = "views"  # of a task's folder
NAME = "your file"  # of what was sent, in pictures that name it
SHOWN = ("image/png", "image/jpeg", "image/webp", "image/gif")  # by every browser
PLAYED = ("audio/wav", "audio/x-wav", "audio/flac", "audio/x-flac", "audio/mpeg", "audio/ogg")

SMALL = 256  # of a picture whose pixels are to be seen

View = dict[str, Any]


def show(opened: OpenRun, job: Job, file: Path, place: Path) -> tuple[Path, list[View]]:
    """Translate a file, write the translation, and make what there is to see of it.

    Args:
        opened: The run.
        job: Which way; whether the way back is wanted, and how many answers.
        file: What was sent.
        place: Where in the job's folder the translation goes.

    Returns:
        The translation's path in the job's folder, and views: ``compare`` with two pictures,
        ``picture`` or ``sound`` with one file, each with its title; paths are in the job's folder.

    Raises:
        BadSample: If the file cannot be used.
    """
    codec, translator = opened.model.codec, opened.translator
    real = load_file(codec, file, job.direction.source, to_learn=False)
    sample = guarded(codec, "encode", file, real, job.direction.source)
    translator.room.require(file, sample, job.direction)
    making = translator if job.like is None else translator.like_file(job.like, job.direction)
    made = making.items([real], job.direction, [file])
    answers = [translator.answering(number) for number in range(1, job.samples)]
    found = {
        kind: item
        for kind, (item,) in made_of(opened, job, file, [real], made, answers, translator)
    }
    back = found.pop(BACK, None)
    written = Path(write_item(codec, made[0], file, job, place))
    folder = Storage(job.output).below(*place.parent.parent.parts, VIEWS)
    views = _pictures(codec, file, folder, real, list(found.values()), back)
    if views:
        small = max(sample.tensor.shape[1:]) <= SMALL
        views = [view | {"small": small} for view in views]
    else:
        ends = job.direction.ends
        rows = [PreviewRow(NAME, *ends, real, item, back) for item in found.values()]
        views = _rendered(codec, file, folder, rows)
    return written, [_below(job.output, view) for view in views]


def _pictures(
    codec: Codec[Any], file: Path, folder: Storage, real: Any, answers: Sequence[Any], back: Any
) -> list[View]:
    """Views of items that are saved as what browsers show; of others none."""
    items = {"original": real}
    items |= {f"answer-{number}": item for number, item in enumerate(answers, 1)}
    items |= {} if back is None else {"back": back}
    saved: dict[str, Path] = {}
    with folder.aside() as aside:
        for name, item in items.items():
            path = guarded(codec, "save", file, item, aside.path / name)
            if kind_of(path) not in SHOWN:
                return []
            saved[name] = path
        saved = {name: aside.keep(path.name) for name, path in saved.items()}
    original, first, *others = saved.values()
    views: list[View] = [{"kind": "compare", "title": "", "files": [original, first]}]
    for name, path in zip(list(saved)[2:], others, strict=True):
        title = "and back" if name == "back" else name.replace("-", " ")
        views.append({"kind": "picture", "title": title, "files": [path], "titled": True})
    return views


def _rendered(
    codec: Codec[Any], file: Path, folder: Storage, rows: Sequence[PreviewRow[Any]]
) -> list[View]:
    """Views of what ``Codec.render`` made, by the kinds of files, as it named them."""
    with folder.aside() as aside:
        inner = aside.make("rendered")
        try:
            media: Sequence[Media] = codec.render(rows, inner)
        except Exception as error:
            raise failure(codec, "render", file, error) from error
        titles = {item.path.name: item.title.rpartition("/")[2] for item in media}
        kept = aside.keep(inner.name, f"rendered-{time.monotonic_ns()}")
    views = []
    order = {name: number for number, name in enumerate(titles)}
    for path in sorted(kept.iterdir(), key=lambda path: (order.get(path.name, len(order)), path)):
        kind = kind_of(path)
        what = "picture" if kind in SHOWN else "sound" if kind in PLAYED else ""
        if what:
            title = titles.get(path.name, path.stem.replace("-", " "))
            views.append({"kind": what, "title": title, "files": [path]})
    return views


def kind_of(path: Path) -> str:
    """A file's media type by its suffix; empty where nobody knows it."""
    return mimetypes.guess_type(path.name)[0] or ""


def _below(output: Path, view: Mapping[str, Any]) -> View:
    return {**view, "files": [str(path.relative_to(output)) for path in view["files"]]}
