"""Runs from a hub, by huggingface_hub: only what belongs to one, at a revision that is told."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.data.cache import default_folder
from cyclekit.describe import describe_exception
from cyclekit.errors import CyclekitError, DataError, UsageError
from cyclekit.extras import install_command
from cyclekit.storage.folder import Storage

SCHEME = "hf:"
ADDRESS = re.compile(r"hf:/*([\w.-]{1,96}/[\w.-]{1,96})(?:@([\w./-]{1,200}))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
TAKEN = re.compile(
    r"README\.md|run\.json|recipe\.toml|import\.json|card/[\w-]{1,100}\.(png|jpe?g)"
    r"|checkpoints/step-\d{8,}/(checkpoint\.json|recipe\.toml|[\w.-]{1,100}\.safetensors)"
)
"""Names of all that belongs to a run that was pushed: what else a hub holds is never fetched."""
MOST_FILES = 1000
MOST_BYTES = 16 * 2**30


def is_remote(run: Path | str) -> bool:
    """Whether a run is named by its place on a hub."""
    return str(run).startswith(SCHEME)


def address_of(run: Path | str) -> tuple[str, str | None]:
    """Repository and revision of ``hf:USER/NAME[@REVISION]``.

    Raises:
        UsageError: If it is none.
    """
    found = ADDRESS.fullmatch(str(run))
    if not found or ".." in str(run):
        raise UsageError(f"{run}: expected hf:USER/NAME, or hf:USER/NAME@REVISION.")
    return found[1], found[2]


def fetch(run: Path | str, console: Console, endpoint: str | None = None) -> Path:
    """A run from a hub, in a folder of its own below the cache; what is there is not asked for.

    Args:
        run: ``hf:USER/NAME[@REVISION]``; a whole commit needs no network once it is there.
        console: Is told which commit it is.
        endpoint: Of the hub; ``None``: ``HF_ENDPOINT``, or the public one.

    Raises:
        UsageError: If it is no such place.
        DataError: If what is there is no package, or a too large one.
        CyclekitError: If it cannot be had.
    """
    repository, revision = address_of(run)
    cache = default_folder()
    if cache is None:
        raise CyclekitError(f"There is no folder to keep {run} in: set XDG_CACHE_HOME.")
    home = Storage(cache).below("hub", repository.replace("/", "--"))
    if revision and COMMIT.fullmatch(revision) and (home.path / revision).is_dir():
        return home.path / revision
    hub = library()
    with explaining(str(run)):
        told = hub.HfApi(endpoint=endpoint, library_name="cyclekit").model_info(
            repository, revision=revision, files_metadata=True
        )
    commit = str(told.sha)
    if not COMMIT.fullmatch(commit):
        raise DataError(f"{run}: the hub names no commit, so that it cannot be pinned.")
    if not (home.path / commit).is_dir():
        names = _wanted(str(run), told.siblings or [])
        home.clean(alone=False)
        with home.aside() as aside, explaining(str(run)):
            made = aside.make("run")
            for name in names:
                hub.hf_hub_download(
                    repository, name, revision=commit, local_dir=made, endpoint=endpoint
                )
            aside.keep_new("run", commit)
    if revision != commit:
        console.say(f"{SCHEME}{repository}@{commit}")
    return home.path / commit


def _wanted(run: str, there: list[Any]) -> list[str]:
    """The files of a package, by their names; others are left where they are.

    Raises:
        DataError: If it is none, or a too large one.
    """
    found = {str(one.rfilename): one.size or 0 for one in there}
    names = [name for name in found if TAKEN.fullmatch(name)]
    if not {"run.json", "recipe.toml"} <= set(names):
        raise DataError(f"{run} is no run of cyclekit: it has no run.json and recipe.toml.")
    size = sum(found[name] for name in names)
    if len(names) > MOST_FILES or size > MOST_BYTES:
        raise DataError(f"{run} has {len(names):,} files of {size:,} bytes in all: too much.")
    return names


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """Turn what the library raises, many kinds, into a sentence."""
    try:
        yield
    except CyclekitError:
        raise
    except Exception as error:
        raise CyclekitError(f"{what}: {describe_exception(error)[:500]}") from error


def library() -> Any:
    """huggingface_hub, which is imported where somebody wants it.

    Raises:
        UsageError: If it is not installed.
    """
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise UsageError(
            f"hf:... needs huggingface_hub, which comes with: {install_command('hub')}"
        ) from error
    return huggingface_hub
