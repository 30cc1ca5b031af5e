"""One domain made from another: for learning to undo a corruption, with one collection."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.modality import Modality
from cyclekit.data.encoded import guarded, load_file
from cyclekit.data.layout import layout_folder
from cyclekit.data.listing import Files, list_samples
from cyclekit.data.splits import split
from cyclekit.describe import describe_exception
from cyclekit.errors import BadSample, DataError, PluginError, suggest
from cyclekit.links import borrow
from cyclekit.randomness import numpy_generator
from cyclekit.recipe.settings import DataSettings

SEED = 0  # the same data whatever the run's seed is, so that runs can be compared

Corruption = Callable[[Any, Any], Any]


def make_corrupted(
    settings: DataSettings,
    modality: Modality,
    codec: Codec[Any],
    folder: Path,
    domains: Sequence[str],
) -> None:
    """Fill ``folder`` with training and test folders of two domains from one collection.

    Half of the training files stay as they are and are the second domain; the other half,
    corrupted, is the first: nothing is seen from both sides. Test files are: each is there whole
    and corrupted.

    Raises:
        DataError: If there are more domains than two, if the modality has no such corruption, or
            if there are too few files.
        PluginError: If the corruption fails; names the file.
    """
    if len(domains) != 2:
        raise DataError(
            f"data.corruption makes one of two domains, but the objective has {len(domains)}: "
            f"choose another objective, or make the data yourself."
        )
    spoilt_domain, whole_domain = domains
    name = settings.corruption or ""
    if name not in modality.corruptions:
        raise DataError(
            f"data.corruption: plugin {modality.name!r} has none called {name!r}. "
            f"{suggest(name, modality.corruptions)}"
        )
    train, test = _collection(settings, codec, whole_domain)
    if len(train) < 2:
        raise DataError(f"{settings.root} has too few files: at least 3 are needed, better 100.")
    whole, spoilt = split(train, _root(settings), 0.5)
    corrupt = partial(_corrupt, codec, modality.corruptions[name], name, whole_domain)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = [
            *_named(spoilt, folder / layout_folder("train", spoilt_domain)),
            *_named(test, folder / layout_folder("test", spoilt_domain)),
        ]
        for _ in pool.map(lambda job: corrupt(*job), jobs):
            pass
    for file, place in (
        *_named(whole, folder / layout_folder("train", whole_domain)),
        *_named(test, folder / layout_folder("test", whole_domain)),
    ):
        borrow(place.with_name(place.name + file.suffix), file)


def _collection(settings: DataSettings, codec: Codec[Any], domain: str) -> tuple[Files, Files]:
    """Training and test files: the domain's own folders if there are such."""
    root = _root(settings)
    own, tests = (root / layout_folder(split, domain) for split in ("train", "test"))
    if not own.is_dir():
        files = _without_runs(list_samples(root, codec).samples, root)
        return split(files, root, settings.held_out)
    train = list_samples(own, codec).samples
    if tests.is_dir():
        return train, list_samples(tests, codec).samples
    return split(train, root, settings.held_out)


def _root(settings: DataSettings) -> Path:
    if settings.root is None or not Path(settings.root).is_dir():
        wrong = f"{settings.root} is none" if settings.root else "none was named"
        raise DataError(
            f"data.corruption makes a domain from a folder of good files, but {wrong}. Name one "
            f"with --data DIR."
        )
    return Path(settings.root)


def left_out(settings: DataSettings, domains: Sequence[str]) -> list[str]:
    """What a person who had two collections in mind should know, a sentence each."""
    if not settings.corruption or settings.root is None or len(domains) != 2:
        return []
    spoilt, whole = (Path(settings.root) / layout_folder("train", name) for name in domains)
    if not (spoilt.is_dir() and whole.is_dir()):
        return []
    return [
        f"data.corruption makes both domains from {whole}: {spoilt} is not used. Without it "
        f"(--set data.corruption=) the two folders are the domains"
    ]


def _without_runs(files: Files, root: Path) -> Files:
    """The files that lie in no run, whose samples and spoilt files are none to learn from."""
    inner = {folder for file in files for folder in file.parents if folder.is_relative_to(root)}
    runs = tuple(f"{folder}/" for folder in inner if (folder / "run.json").is_file())
    return Files(tuple(name for name in files.names if not name.startswith(runs)))


def _named(files: Sequence[Path], folder: Path) -> list[tuple[Path, Path]]:
    """Each file with its place: numbered, so that equal names from several folders stay apart."""
    folder.mkdir(parents=True)
    return [(file, folder / f"{n:06d}-{_plain(file.stem)}") for n, file in enumerate(files)]


def _plain(stem: str) -> str:
    return stem.replace(".", "_")  # what follows a dot may be taken for a suffix


def _corrupt(
    codec: Codec[Any], corruption: Corruption, name: str, domain: str, file: Path, to: Path
) -> None:
    try:
        item = load_file(codec, file, domain)
    except BadSample:
        return  # few are left out; a folder of the wrong kind shows in the domain itself
    try:
        made = corruption(item, numpy_generator("corruption", SEED, to.name))
    except Exception as error:
        raise PluginError(
            f"Corruption {name!r} failed on {file}: {describe_exception(error)}"
        ) from error
    guarded(codec, "save", file, made, to)
