"""A published set brought, checked, unpacked aside and put in place: whole or not at all."""

import importlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclekit.datasets.catalogue import SCHEMES, Archive, Offer
from cyclekit.datasets.download import Checked, Wanted, check, fetch
from cyclekit.datasets.seen import Seen
from cyclekit.datasets.unpacking import Limits, unpack
from cyclekit.describe import describe_exception
from cyclekit.errors import CyclekitError, DataError, PluginError, UsageError, suggest
from cyclekit.locks import Held, locked
from cyclekit.plugins import import_plugin
from cyclekit.runs.watcher import Watcher
from cyclekit.storage.folder import Aside, Storage
from cyclekit.storage.handle import read_text

FOLDER = Path("datasets")  # where recipes look
DOWNLOADS = ".downloads"
SOURCE = "source.json"
LARGEST_SOURCE = 100_000  # bytes


@dataclass(frozen=True)
class Request:
    """What a person asked for besides the set's name.

    Attributes:
        out: The folder in which the set's own is made.
        mirrors: Addresses of folders or files that are tried first.
        archives: Local copies, used instead of downloading.
        sha256: What an archive's checksum is to be, whatever the catalogue says.
        settings: For whatever makes the set from its archives.
        keep: Keep downloaded archives.
    """

    out: Path = FOLDER
    mirrors: Sequence[str] = ()
    archives: Sequence[Path] = ()
    sha256: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    keep: bool = False


def get(offer: Offer, request: Request, watcher: Watcher) -> Path:
    """Bring a set; returns its folder.

    Raises:
        UsageError: If it cannot be had in this way, or something else is in its place.
        DataError: If it could not be fetched, or is not what was published.
        PluginError: If the plugin's code fails.
        OSError: If the disk refuses.
    """
    settings = _settings(offer, request.settings)
    local = _local(offer, request)
    if request.sha256 and len(offer.set.archives) > 1:
        raise UsageError(f"--sha256 is for sets of one archive; {offer.name} has several.")
    storage = Storage(request.out)
    folder = storage.path / offer.name
    if _is_there(offer, folder, settings):
        watcher.say(f"{folder} is there already.")
        return folder
    with ExitStack() as held:
        downloads = storage.below(DOWNLOADS)
        downloads.make()
        for name in (offer.name, *(archive.file for archive in offer.set.archives)):
            held.enter_context(_alone(downloads, f"{offer.plugin.name}-{name}.lock"))
        storage.clean(alone=False)
        with storage.aside() as aside:
            _fill(offer, request, local, settings, aside, downloads, watcher)
            if folder.exists():
                raise UsageError(f"{folder} has been made by something else in the meantime.")
            aside.keep(offer.name)
        if not request.keep:
            for archive in offer.set.archives:
                _forget(downloads, offer, archive)
    return folder


def _fill(
    offer: Offer,
    request: Request,
    local: Mapping[str, Path],
    settings: Mapping[str, str],
    aside: Aside,
    downloads: Storage,
    watcher: Watcher,
) -> None:
    """Make the whole set in a private folder, under its own name."""
    unpacked = Storage(aside.make("unpacked"))
    digests, seen = {}, []
    for archive in offer.set.archives:
        expected = Seen.find(offer.plugin.name, archive.file)
        known = request.sha256 or archive.sha256
        brought = _brought(offer, archive, request, local, downloads, watcher)
        try:
            with brought.file:
                if known is None:
                    expected.require(brought.sha256, archive.file)
                watcher.say(f"unpacking {archive.file}")
                limits = Limits(archive.most_files, archive.most_bytes)
                unpack(brought.file, archive.file, unpacked, limits, archive.take)
        except DataError:
            if known is None:  # it may be another one the next time
                _forget(downloads, offer, archive)
            raise
        digests[archive.file] = brought.sha256
        if archive.sha256 is None:
            seen.append((expected, brought.sha256))
    made = Storage(aside.make(offer.name))
    _arrange(offer, settings, unpacked, made, watcher)
    made.write_text(SOURCE, json.dumps(_source(offer, digests, settings), indent=2) + "\n")
    for expected, digest in seen:  # only now, that it turned out to be what was meant
        if expected.sha256 is None:
            watcher.say(f"its authors publish no checksum: {digest} is remembered from now on")
        expected.remember(digest)


def _brought(
    offer: Offer,
    archive: Archive,
    request: Request,
    local: Mapping[str, Path],
    downloads: Storage,
    watcher: Watcher,
) -> Checked:
    """An archive that is what was published, open."""
    known = request.sha256 or archive.sha256
    if archive.file in local:
        found = check(local[archive.file], archive.file, watcher, follow=True)
        if known in (None, found.sha256):
            return found
        found.file.close()
        published = f"{archive.bytes:,} bytes and " if archive.bytes else ""
        raise DataError(
            f"{local[archive.file]} is not {archive.file} as it was published: it has "
            f"{found.bytes:,} bytes and the SHA-256 {found.sha256}. Expected are "
            f"{published}{known}."
        )
    if offer.set.withheld and not request.mirrors:
        raise UsageError(
            f"{offer.name} cannot be downloaded: {offer.set.withheld} A copy that you have is "
            f"taken with --archive FILE."
        )
    wanted = Wanted(
        name=archive.file,
        kept_as=_kept_as(offer, archive),
        urls=[*(_at(mirror, archive) for mirror in request.mirrors), *archive.addresses],
        most=archive.most_bytes,
        bytes=None if request.sha256 else archive.bytes,
        sha256=known,
    )
    return fetch(wanted, downloads, watcher)


def _arrange(
    offer: Offer, settings: Mapping[str, str], unpacked: Storage, made: Storage, watcher: Watcher
) -> None:
    """Lay a set out from what was unpacked, as its recipe expects it."""
    if offer.set.arrange:
        watcher.say(f"laying out {offer.name}")
        for remark in _call(offer, settings, unpacked.path, made.path):
            watcher.say(remark)
    places = offer.set.places
    if not places and not offer.set.arrange:
        with unpacked.open() as handle:
            places = {name: name for name in handle.names()}
    for place, source in places.items():
        *above, last = source.split("/")
        *into, name = place.split("/")
        if not (unpacked.path / source).is_dir():
            raise DataError(f"The archive of {offer.name} holds no {source}: it has changed.")
        with unpacked.below(*above).open() as there, made.below(*into).open() as here:
            here.move(there, last, name)


def _call(offer: Offer, settings: Mapping[str, str], unpacked: Path, made: Path) -> Sequence[str]:
    """Have the plugin's own function lay the set out."""
    module, _, function = (offer.set.arrange or "").partition(":")
    plugin = import_plugin(offer.plugin)
    try:
        # A plugin that is a single file has no other modules.
        home = plugin if offer.plugin.file else importlib.import_module(
            f"{offer.plugin.package}.{module}"
        )  # fmt: skip
        return list(getattr(home, function)(unpacked, made, settings))
    except (CyclekitError, OSError):
        raise
    except Exception as error:
        raise PluginError(
            f"Plugin {offer.plugin.name!r} failed to lay out {offer.name}: "
            f"{describe_exception(error)}"
        ) from error


def _settings(offer: Offer, given: Mapping[str, str]) -> dict[str, str]:
    """What the set's own function is told, with the defaults."""
    known = offer.set.settings
    for key in given:
        if key not in known:
            raise UsageError(f"{offer.name} has no setting {key!r}. {suggest(key, known)}")
    settings = {key: option.default for key, option in known.items()} | dict(given)
    missing = [key for key, value in settings.items() if value is None]
    if missing:
        told = "; ".join(f"{key}: {known[key].help}" for key in missing)
        raise UsageError(
            f"{offer.name} needs {' and '.join(missing)}, as in: {command(offer)}\n{told}"
        )
    said = {key: value for key, value in settings.items() if value is not None}
    for key, value in said.items():
        if known[key].file and not Path(value).is_file():
            raise UsageError(f"--set {key}={value}: there is no such file.")
    return said


def command(offer: Offer) -> str:
    """The command that brings a set."""
    needed = [
        f" --set {key}={option.example or key.upper()}"
        for key, option in offer.set.settings.items()
        if option.default is None
    ]
    return f"cyclekit data get {offer.name}{''.join(needed)}"


def _local(offer: Offer, request: Request) -> dict[str, Path]:
    """Which archive each of the named copies is: by its name, or the only one that is left."""
    files = [archive.file for archive in offer.set.archives]
    found: dict[str, Path] = {}
    for path in request.archives:
        if not path.is_file():
            raise UsageError(f"--archive {path}: there is no such file.")
        left = [file for file in files if file not in found]
        name = path.name if path.name in left else left[0] if len(left) == 1 else None
        if name is None:
            raise UsageError(
                f"--archive {path}: {offer.name} is made of {', '.join(files)}. "
                f"Give each copy one of these names."
            )
        found[name] = path
    return found


def _at(mirror: str, archive: Archive) -> str:
    """Where a mirror has an archive: it may name the folder or the file."""
    if not mirror.lower().startswith(SCHEMES):
        raise UsageError(f"--mirror {mirror}: expected an address that begins with http(s)://.")
    path = re.split(r"[?#]", mirror)[0]
    return mirror if path.endswith(f"/{archive.file}") else f"{mirror.rstrip('/')}/{archive.file}"


def _is_there(offer: Offer, folder: Path, settings: Mapping[str, str]) -> bool:
    """Whether a set is there already, whole, and made in the same way.

    Raises:
        UsageError: If something else is.
    """
    if not os.path.lexists(folder):
        return False
    told = source_of(folder)
    if told.get("name") != offer.name or told.get("plugin") != offer.plugin.name:
        what = "something that `cyclekit data get` has not brought"
    elif told.get("settings") != dict(settings):
        what = f"the set with other settings ({told.get('settings')})"
    else:
        return True
    raise UsageError(
        f"{folder} holds {what}. Remove it or move it away, or name another folder with --out."
    )


def source_of(folder: Path) -> dict[str, Any]:
    """What is written in a set's folder about where it comes from; nothing for others."""
    try:
        told = json.loads(read_text(folder / SOURCE, LARGEST_SOURCE))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _source(
    offer: Offer, digests: Mapping[str, str], settings: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "name": offer.name,
        "plugin": offer.plugin.name,
        "summary": offer.set.summary,
        "archives": {
            archive.file: {"sha256": digests[archive.file], "published": archive.addresses}
            for archive in offer.set.archives
        },
        "settings": dict(settings),
        "licence": offer.set.licence,
        "citation": offer.set.citation,
        "homepage": offer.set.homepage,
    }


@contextmanager
def _alone(downloads: Storage, name: str) -> Iterator[None]:
    """Keep others from fetching the same."""
    downloads.require_file(name)
    try:
        with locked(downloads.path / name, wait=False):
            yield
    except Held as error:
        raise UsageError(
            f"Another `cyclekit data get` is fetching {name.removesuffix('.lock')} into "
            f"{downloads.path.parent}. Wait for it."
        ) from error


def _kept_as(offer: Offer, archive: Archive) -> str:
    return f"{offer.plugin.name}-{archive.file}"


def _forget(downloads: Storage, offer: Offer, archive: Archive) -> None:
    for ending in ("part", "json"):
        downloads.remove(f"{_kept_as(offer, archive)}.{ending}")
