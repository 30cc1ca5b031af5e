"""Which published sets there are, as plugins' catalogues say.

A catalogue is a TOML file, ``datasets.toml`` in a plugin's package or ``NAME.datasets.toml`` beside
a plugin that is a single file. It is read without importing the plugin.
"""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cyclekit.datasets.names import inner_path
from cyclekit.errors import PluginError, RecipeError, UsageError, suggest
from cyclekit.plugins.discovery import PluginInfo, find_plugin, installed_plugins
from cyclekit.recipe.reading import parse_toml, read_recipe_text

FILE = "datasets.toml"
SCHEMES = ("http://", "https://")


def _address(url: str) -> str:
    if not url.lower().startswith(SCHEMES):
        raise ValueError("expected an address that begins with http:// or https://")
    return url


def _inner(path: str) -> str:
    return "/".join(inner_path(path))


def _plain_name(name: str) -> str:
    if len(inner_path(name)) != 1 or name.startswith("."):
        raise ValueError("expected the name of a file")
    return name


Address = Annotated[str, AfterValidator(_address)]
Inner = Annotated[str, AfterValidator(_inner)]
PlainName = Annotated[str, AfterValidator(_plain_name)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Archive(_Entry):
    """A file that is published: zip, tar, tar.gz or tar.bz2."""

    file: PlainName
    """Its name."""
    mirrors: tuple[Address, ...] = ()
    """Folders that hold it, tried in this order; without any, the family's."""
    urls: tuple[Address, ...] = ()
    """Whole addresses, tried before the mirrors: for those that do not end in the file's name."""
    bytes: Annotated[int, Field(gt=0)] | None = None
    """Its size, where it is known."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Its checksum, where one is known; else the first one that is seen is remembered."""
    take: tuple[str, ...] = ()
    """Patterns of the names in it that are wanted, such as `*/wav/*.wav`; without any, all."""
    most_files: Annotated[int, Field(gt=0)] = 50_000
    """More names than that are refused."""
    most_bytes: Annotated[int, Field(gt=0)] = 2**32
    """More bytes than that, in the archive or unpacked, are refused."""

    @property
    def addresses(self) -> list[str]:
        """Where to get it, in order."""
        return [*self.urls, *(f"{mirror.rstrip('/')}/{self.file}" for mirror in self.mirrors)]


class Setting(_Entry):
    """Something that whoever gets a set can say, as `--set KEY=VALUE`."""

    help: str
    default: str | None = None
    """Without it, the setting must be given."""
    example: str = ""
    """What stands for a value in the command that is shown."""
    file: bool = False
    """Whether it names a file."""


class Published(_Entry):
    """A set that can be had."""

    summary: str
    archives: tuple[Archive, ...]
    licence: str
    citation: str
    homepage: str = ""
    places: dict[Inner, Inner] = Field(default_factory=dict)
    """Folders of the finished set, and where in the archives they are; without any, and without
    `arrange`, all that was unpacked is the set."""
    arrange: Annotated[str, Field(pattern=r"^\w+:\w+$")] | None = None
    """`module:function` in the plugin's package, which makes the set from what was unpacked."""
    settings: dict[str, Setting] = Field(default_factory=dict)
    """What `arrange` can be told."""
    recipe: str = ""
    """The plugin's recipe that trains on it."""
    notes: str = ""
    """What one should know before training on it."""
    withheld: str = ""
    """Why it cannot be downloaded, and where to get it; `--archive` still takes it."""

    @property
    def bytes(self) -> int | None:
        """Of all archives; ``None`` where that of one is not known."""
        known = [archive.bytes for archive in self.archives if archive.bytes]
        return sum(known) if len(known) == len(self.archives) else None


@dataclass(frozen=True)
class Offer:
    """A published set with the plugin that names it.

    Attributes:
        plugin: Whose catalogue it is in.
        name: What it is called there.
        set: What the catalogue says.
    """

    plugin: PluginInfo
    name: str
    set: Published


def catalogue_file(plugin: PluginInfo) -> Path | None:
    """A plugin's catalogue, if it has one; imports nothing."""
    if plugin.file:
        file = plugin.file.with_suffix(f".{FILE}")
        return file if file.is_file() else None
    package = importlib.util.find_spec(plugin.package or "")
    for home in (package.submodule_search_locations or ()) if package else ():
        if (Path(home) / FILE).is_file():
            return Path(home) / FILE
    return None


def read_catalogue(plugin: PluginInfo) -> dict[str, Published]:
    """The sets in a plugin's catalogue, by name.

    Raises:
        PluginError: If the catalogue is none; says what is wrong with it.
    """
    file = catalogue_file(plugin)
    if file is None:
        return {}
    try:
        table = parse_toml(read_recipe_text(file))
        return {_plain_name(name): _published(name, table) for name in _table(table, "sets")}
    except (RecipeError, ValueError, LookupError, TypeError) as error:
        raise PluginError(f"The catalogue {file}: {_explained(error)}") from error


def offers(plugin: str | None = None) -> Iterator[Offer | PluginError]:
    """All sets of all plugins, or of one; in place of a catalogue that is none, what is wrong."""
    for info in [find_plugin(plugin)] if plugin else installed_plugins():
        try:
            found = read_catalogue(info)
        except PluginError as error:
            yield error
            continue
        yield from (Offer(info, name, published) for name, published in found.items())


def find_offer(name: str, plugin: str | None = None) -> Offer:
    """The set called ``name``.

    Raises:
        UsageError: If there is none, or two plugins have one.
        PluginError: If there is none, and a catalogue could not be read.
    """
    found = list(offers(plugin))
    named = [offer for offer in found if isinstance(offer, Offer) and offer.name == name]
    if len(named) > 1:
        owners = " and ".join(offer.plugin.name for offer in named)
        raise UsageError(f"{owners} have a set {name!r}. Choose one with --plugin.")
    if not named:
        broken = next((offer for offer in found if isinstance(offer, PluginError)), None)
        if broken:
            raise broken
        known = [offer.name for offer in found if isinstance(offer, Offer)]
        raise UsageError(
            f"No published set is called {name!r}. {suggest(name, known)} See `cyclekit data list`."
        )
    return named[0]


def _published(name: str, table: Mapping[str, Any]) -> Published:
    """A set with what its family says of all of its kind, and its archives written out."""
    own = dict(_table(_table(table, "sets"), name))
    family: Mapping[str, Any] = {}
    if "family" in own:
        family = _table(_table(table, "families"), own.pop("family"))
    mirrors = family.get("mirrors", ())
    filled = _substituted({key: value for key, value in family.items() if key != "mirrors"}, name)
    archives = [
        {"mirrors": mirrors}
        | dict(_table(_table(table, "archives"), each) if isinstance(each, str) else each)
        for each in own.pop("archives", ())
    ]
    try:
        return Published.model_validate({**filled, **own, "archives": archives})
    except ValidationError as error:
        faults = error.errors(include_url=False)
        said = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        raise ValueError(f"set {name!r}: {said}") from error


def _substituted(value: Any, name: str) -> Any:
    """A family's texts with the set's name in place of ``{name}``."""
    if isinstance(value, str):
        return value.replace("{name}", name)
    if isinstance(value, Mapping):
        return {_substituted(key, name): _substituted(inner, name) for key, inner in value.items()}
    return [_substituted(inner, name) for inner in value] if isinstance(value, Sequence) else value


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = table.get(key)
    if not isinstance(found, Mapping):
        raise LookupError(f"there is no table {key!r}")
    return found


def _explained(error: Exception) -> str:
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
