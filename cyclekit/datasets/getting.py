"""A published set brought, checked, unpacked aside and put in place: whole or not at all."""

import importlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.datasets.catalogue import SCHEMES, Archive, Offer
from cyclekit.datasets.checksums import KnownChecksum
from cyclekit.datasets.download import Checked, check, fetch
from cyclekit.datasets.partial_file import Wanted
from cyclekit.datasets.unpacking import Limits, unpack
from cyclekit.describe import describe_exception
from cyclekit.errors import CyclekitError, DataError, PluginError, UsageError, suggest
from cyclekit.locks import Held, locked
from cyclekit.plugins.discovery import import_plugin
from cyclekit.storage.folder import Aside, Storage
from cyclekit.storage.handle import read_text

FOLDER = Path("datasets")  # where recipes look
DOWNLOADS = ".downloads"
SOURCE = "source.json"
LARGEST_SOURCE = 100_000  # bytes

Arrange = Callable[[Path, Path, Mapping[str, str]], Iterable[str]]
"""Makes a set in the second folder of what was unpacked into the first; returns remarks."""


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


def get(offer: Offer, request: Request, console: Console) -> Path:
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
    job = _Job(offer, request, settings, local, storage.below(DOWNLOADS), console)
    if _is_there(offer, folder, settings):
        console.say(f"{folder} is there already.")
        # Others may be at work, or nothing may be written here.
        with suppress(OSError, CyclekitError):
            if job.downloads.path.is_dir():
                with job.alone():
                    job.tidy(storage, done=True)
        return folder
    with job.alone():
        job.tidy(storage)
        with storage.aside() as aside:
            job.make(aside)
            if os.path.lexists(folder):
                raise UsageError(f"{folder} has been made by something else in the meantime.")
            aside.keep(offer.name)
        job.tidy(storage, done=True)
    return folder


@dataclass(frozen=True)
class _Job:
    """Bringing one set.

    Attributes:
        offer: The set.
        request: What a person asked for.
        settings: What the set's own function is told.
        local: Copies that need not be downloaded, by the archive's name.
        downloads: Where archives are kept until they are used.
        console: Sees what is done.
    """

    offer: Offer
    request: Request
    settings: Mapping[str, str]
    local: Mapping[str, Path]
    downloads: Storage
    console: Console

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from fetching the same to the same place.

        Raises:
            UsageError: If one does.
        """
        self.downloads.make()
        names = (self.offer.name, *(archive.file for archive in self.offer.set.archives))
        with ExitStack() as held:
            for name in names:
                file = f"{self.offer.plugin.name}-{name}.lock"
                self.downloads.require_file(file)
                try:
                    held.enter_context(locked(self.downloads.path / file, wait=False))
                except Held as error:
                    raise UsageError(
                        f"Another `cyclekit data get` is fetching {name} into "
                        f"{self.request.out}. Wait for it."
                    ) from error
            yield

    def make(self, aside: Aside) -> None:
        """Make the whole set in a private folder, under its own name."""
        arrange = _arranging(self.offer)  # what it lacks is better known before a download
        unpacked = Storage(aside.make("unpacked"))
        digests = {
            archive.file: self._unpack(archive, unpacked) for archive in self.offer.set.archives
        }
        made = aside.make(self.offer.name)
        self._lay_out(unpacked, Storage(made), arrange)
        source = _source(self.offer, digests, self.settings)
        Storage(made).write_text(SOURCE, json.dumps(source, indent=2) + "\n")
        for archive in self.offer.set.archives:
            if archive.sha256 is None:  # only now, that it turned out to be what was meant
                self._seen(archive).remember(digests[archive.file], self.console.say)

    def tidy(self, storage: Storage, done: bool = False) -> None:
        """Remove what killed processes left, and, once all is done, what was downloaded."""
        storage.clean(alone=False)
        self.downloads.clean(alone=False)
        for archive in self.offer.set.archives if done and not self.request.keep else ():
            self._forget(archive)

    def _forget(self, archive: Archive) -> None:
        """Remove what was downloaded of an archive."""
        for ending in ("part", "json"):
            self.downloads.remove(f"{self._kept_as(archive)}.{ending}")

    def _unpack(self, archive: Archive, unpacked: Storage) -> str:
        """Bring an archive and unpack it; returns its checksum."""
        limits = Limits(archive.most_files, archive.most_bytes)
        known = self._known(archive)
        brought = self._bring(archive)
        try:
            with brought.file:
                if known is None:
                    self._seen(archive).require(brought.sha256, archive.file)
                self.console.say(f"unpacking {archive.file}")
                unpack(brought.file, archive.file, unpacked, limits, archive.take)
        except DataError:
            if known is None:  # it may be another one the next time
                self._forget(archive)
            raise
        return brought.sha256

    def _bring(self, archive: Archive) -> Checked:
        """An archive that is what was published, open."""
        known = self._known(archive)
        if archive.file in self.local:
            found = check(self.local[archive.file], archive.file, self.console, follow=True)
            if known in (None, found.sha256):
                return found
            found.file.close()
            size = f"{archive.bytes:,} bytes and " if archive.bytes else ""
            raise DataError(
                f"{self.local[archive.file]} is not {archive.file} as it was published: it has "
                f"{found.bytes:,} bytes and the SHA-256 {found.sha256}. Expected are "
                f"{size}{known}."
            )
        mirrors = [_at(mirror, archive) for mirror in self.request.mirrors]
        if self.offer.set.withheld and not mirrors:
            raise UsageError(
                f"{self.offer.name} cannot be downloaded: {self.offer.set.withheld} A copy that "
                f"you have is taken with --archive FILE."
            )
        published = [] if self.offer.set.withheld else archive.addresses
        wanted = Wanted(
            name=archive.file,
            kept_as=self._kept_as(archive),
            urls=[*mirrors, *published],
            most=archive.most_bytes,
            bytes=None if self.request.sha256 else archive.bytes,
            sha256=known,
        )
        return fetch(wanted, self.downloads, self.console)

    def _lay_out(self, unpacked: Storage, made: Storage, arrange: Arrange | None) -> None:
        """Lay a set out from what was unpacked, as its recipe expects it."""
        if arrange:
            self.console.say(f"laying out {self.offer.name}")
            with _blamed(self.offer):
                for remark in list(arrange(unpacked.path, made.path, self.settings)):
                    self.console.say(remark)
        places = self.offer.set.places
        if not places and not arrange:
            with unpacked.open() as handle:
                places = {name: name for name in handle.names()}
        for place, source in places.items():
            *above, last = source.split("/")
            *into, name = place.split("/")
            if not os.path.lexists(unpacked.path / source):
                raise DataError(
                    f"The archive of {self.offer.name} holds no {source}: it has changed."
                )
            made.below(*into).take(name, unpacked.below(*above), last)

    def _known(self, archive: Archive) -> str | None:
        return self.request.sha256 or archive.sha256

    def _seen(self, archive: Archive) -> KnownChecksum:
        return KnownChecksum.find(self.offer.plugin.name, archive.file)

    def _kept_as(self, archive: Archive) -> str:
        return f"{self.offer.plugin.name}-{archive.file}"


def _arranging(offer: Offer) -> Arrange | None:
    """The plugin's own function that lays a set out, if it has one.

    Raises:
        PluginError: If it cannot be imported.
    """
    if not offer.set.arrange:
        return None
    module, _, function = offer.set.arrange.partition(":")
    home = import_plugin(offer.plugin)
    with _blamed(offer):
        if not offer.plugin.file:  # which has no other modules
            home = importlib.import_module(f"{offer.plugin.package}.{module}")
        found: Arrange = getattr(home, function)
        return found


@contextmanager
def _blamed(offer: Offer) -> Iterator[None]:
    """Whatever the plugin's code raises in the block is the plugin's fault."""
    try:
        yield
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
