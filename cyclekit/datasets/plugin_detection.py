"""Which plugin a folder of files is for, where nobody says."""

from collections import Counter
from collections.abc import Mapping, Set
from pathlib import Path

from cyclekit.console import Console
from cyclekit.data.listing import list_samples
from cyclekit.datasets.getting import source_of
from cyclekit.errors import CyclekitError, DataError, UsageError
from cyclekit.plugins.discovery import installed_plugins
from cyclekit.plugins.host import load_plugin


def detected(folder: Path, console: Console) -> str:
    """The plugin for a folder, which is said: see ``detect_plugin``."""
    plugin = detect_plugin(folder)
    console.say(f"read by the plugin {plugin}; another one is chosen with --plugin")
    return plugin


def detect_plugin(folder: Path) -> str:
    """The installed plugin that knows most of a folder's files by their suffixes.

    What `cyclekit data get` has brought says it itself.

    Raises:
        DataError: If there is no such folder.
        UsageError: If no plugin knows any file.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}.")
    told = source_of(folder).get("plugin")
    if told in [info.name for info in installed_plugins()]:
        return str(told)
    suffixes = Counter(Path(name).suffix.lower() for name in list_samples(folder).samples.names)
    known = {name: sum(suffixes[suffix] for suffix in of) for name, of in _suffixes().items()}
    best = max(known, key=lambda name: known[name], default="")
    if not suffixes:
        raise UsageError(f"There are no files in {folder}.")
    if not best or not known[best]:
        raise UsageError(
            f"No installed plugin knows the files in {folder} by their suffixes. Say which one "
            f"reads them: --plugin NAME."
        )
    return best


def readers(kinds: Mapping[str, int]) -> str:
    """A sentence about the installed plugins that take files of such kinds; empty without any."""
    found = {name: sorted(of & set(kinds)) for name, of in _suffixes().items()}
    sentences = [f"--plugin {name} takes {', '.join(of)}." for name, of in found.items() if of]
    return " ".join(sentences)


def others_for(plugin: str, own: Set[str], kinds: Mapping[str, int]) -> str:
    """A sentence about other plugins that take files of such kinds, with a space before it; empty
    without any.

    Args:
        plugin: The one that could not read them.
        own: Suffixes of the files that it takes.
        kinds: How many there are, by suffix.
    """
    strange = set(kinds) - own
    found = {name: of & strange for name, of in _suffixes().items() if name != plugin}
    taken = [f"{', '.join(sorted(of))} is for {name}" for name, of in found.items() if of]
    return f" The run is of plugin {plugin}; {' and '.join(taken)}." if taken else ""


def _suffixes() -> dict[str, frozenset[str]]:
    """Of each installed plugin that works and names them."""
    found = {}
    for info in installed_plugins():
        try:
            found[info.name] = load_plugin(info.name).modality.codec.suffixes
        except CyclekitError:
            continue  # a broken neighbour never matters; `cyclekit plugins list --check` names it
    return found
