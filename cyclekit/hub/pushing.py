"""Runs put on a hub, by huggingface_hub."""

from pathlib import Path

from cyclekit.console import Console
from cyclekit.errors import UsageError
from cyclekit.hub.fetching import SCHEME, address_of, explaining, library
from cyclekit.hub.package import pack
from cyclekit.runs.directory import RunDirectory
from cyclekit.storage.folder import Storage
from cyclekit.temporary import temporary_folder


def push(
    run: Path,
    to: str,
    checkpoint: str,
    private: bool,
    console: Console,
    endpoint: str | None = None,
) -> str:
    """Put a run on a hub; returns where, with the revision that it has there.

    Args:
        run: The run.
        to: ``hf:USER/NAME``, which is made where it is not there.
        checkpoint: ``latest``, ``best`` or a step.
        private: Whether a new one is for its owner alone.
        console: Is told what is sent.
        endpoint: Of the hub; ``None``: ``HF_ENDPOINT``, or the public one.

    Raises:
        UsageError: If it is no such place, or the run cannot do without code.
        CyclekitError: If the hub refuses it.
    """
    repository, revision = address_of(to)
    if revision is not None:
        raise UsageError(f"{to}: a revision is made by pushing, and cannot be named before.")
    api = library().HfApi(endpoint=endpoint, library_name="cyclekit")
    with temporary_folder() as folder:
        storage = Storage(folder / "package")
        storage.make()
        pack(RunDirectory.open(run), checkpoint, storage, f"{SCHEME}{repository}")
        files = sorted(file for file in storage.path.rglob("*") if file.is_file())
        size = sum(file.stat().st_size for file in files)
        console.say(f"{len(files)} files, {size / 2**20:.1f} MiB: weights, recipe and card")
        with explaining(to):
            api.create_repo(repository, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=repository, folder_path=storage.path, commit_message="A run of cyclekit"
            )
    return f"{SCHEME}{repository}@{done.oid}"
