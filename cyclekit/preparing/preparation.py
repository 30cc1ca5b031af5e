"""Everything before the first step: build the model, find and encode data, see that they fit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from cyclekit.console import Console
from cyclekit.contract.codec import Codec
from cyclekit.data.attributed import find_files
from cyclekit.data.cache import Cache, default_folder
from cyclekit.data.corrupted import left_out
from cyclekit.data.counterparts import draw_from, tied_domains
from cyclekit.data.doubts import scarcities
from cyclekit.data.encoded import (
    EncodedDomain,
    Memory,
    Tracker,
    encode_domain,
    list_bad,
    remarks_on,
)
from cyclekit.data.folders import Collections
from cyclekit.data.generated import is_made, made_root
from cyclekit.data.lazy import LazyList
from cyclekit.data.pairing import without_false_pairs
from cyclekit.data.sampling import Batches, Labels
from cyclekit.data.windows import Joined, StreamWindows, Window
from cyclekit.datasets.plugin_detection import readers
from cyclekit.describe import describe_exception
from cyclekit.engine.fabric import on_first
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.model import Model, build_model
from cyclekit.errors import DataError, NoSamples, PluginError
from cyclekit.names import EXTRA, heading, samples
from cyclekit.plugins.host import PluginHost
from cyclekit.preparing.fit import require_fit
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory
from cyclekit.storage.folder import Storage
from cyclekit.version import package_version

DISK_READERS = 4  # threads
MOST_SIZES = 1000  # that are looked at


@dataclass(frozen=True)
class Prepared:
    """A model and the data to train it on.

    Attributes:
        model: Built from the recipe.
        collections: The files.
        batches: Their encoded windows.
        encoded: The training files, by domain.
        windows: What each stream draws from.
    """

    model: Model
    collections: Collections
    batches: Batches
    encoded: Mapping[str, EncodedDomain]
    windows: Mapping[str, StreamWindows]

    @property
    def tests(self) -> dict[str, Sequence[Path]]:
        """The test files of each domain that is drawn from."""
        domains = self.collections.domains.items()
        return {name: domain.test for name, domain in domains if name in self.encoded}

    def file_of(self, stream: str, window: int) -> Path:
        """The file that one of a stream's windows is from."""
        domain, place = self.windows[stream].origin(window)
        return self.encoded[domain].file_of(place)

    def describe(self, fabric: Fabric, minutes: float | None = None) -> list[str]:
        """What is about to be trained: data, networks, length.

        Args:
            fabric: Where.
            minutes: In place of the recipe's steps.
        """
        train = self.model.recipe.train
        files = [
            f"{heading(name)}: {len(domain.files)} training files, {len(domain.windows)} windows"
            + (f", {len(self.tests[name])} test files" if name in self.tests else "")
            + "".join(f", {fact} {_short(mean)}" for fact, mean in domain.mean_facts.items())
            for name, domain in self.encoded.items()
        ]
        networks = [
            f"{name}: {_millions(network.parameters())} parameters"
            + _frozen(network, self.model.trained(name))
            for name, network in self.model.networks.items()
        ]
        objective = self.model.objective
        drawn = {stream.domains for stream in objective.streams.values()}
        apart = all((domain,) in drawn for domain in objective.domains)
        whose = "each domain" if apart else "all domains together"
        long = f"{train.steps} steps" if minutes is None else f"{minutes:g} min, in steps"
        length = (
            f"{long} of {samples(self.batches.global_batch)} of {whose} "
            f"on {fabric.device}, {train.precision}"
        )
        return [*files, *networks, length]


def prepare(
    host: PluginHost, recipe: Recipe, run: RunDirectory, fabric: Fabric, console: Console
) -> Prepared:
    """Get ready to train.

    Raises:
        DataError: If the data is missing, empty, or mostly unusable.
        PluginError: If the plugin's code fails, or its networks do not fit its samples.
    """
    model = build_model(host.modality, recipe, fabric.global_rank)
    objective = model.objective
    collections = find_data(model, run, fabric)
    for remark in collections.remarks():
        console.say(remark)
    for warning in (*left_out(recipe.data, objective.domains), *collections.warnings()):
        console.warn(warning)
    if recipe.train.evaluate_every and not collections.has_tests:
        console.warn("there are no test files in all domains: nothing will be evaluated")
    encoded = _encode(model, collections, _cache(host, recipe, run), console)
    _require_state(model.codec)
    if not is_made(recipe.data) and not model.table.names:
        before, collections = collections, without_false_pairs(collections, model.codec)
        for doubt in collections.doubts[len(before.doubts) :]:
            console.warn(doubt)
    facts = {name: domain.facts for name, domain in encoded.items()}
    for remark in remarks_on(model.codec, facts):
        console.say(f"note: {remark}")
    named = {name: of for name, of in collections.domains.items() if name in encoded}
    tests = {name: len(domain.test) for name, domain in named.items()}
    amounts = {name: len(encoded[name].windows) for name in named}
    for scarcity in scarcities(amounts, tests if recipe.train.evaluate_every else {}):
        console.warn(scarcity)
    windows, pairs = draw_from(objective.streams, encoded, collections)
    for found in pairs:
        for remark in found.remarks():
            console.say(remark)
        for warning in found.warnings():
            console.warn(warning)
    labels = _labels(model, encoded, windows)
    batches = Batches(
        model.codec,
        windows,
        objective.streams,
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        accumulate=recipe.train.accumulate,
        ranks=fabric.world_size,
        rank=fabric.global_rank,
        workers=_workers(recipe, encoded),
        labels=labels,
    )
    prepared = Prepared(model, collections, batches, encoded, windows)
    if recipe.train.batch_size > 1:
        _require_one_size(prepared)
    require_fit(model, windows, labels)
    return prepared


def find_data(model: Model, run: RunDirectory, fabric: Fabric) -> Collections:
    """The files that a model is to be trained on, made where they have to be.

    Raises:
        DataError: If they are missing.
    """
    recipe, objective = model.recipe, model.objective
    try:
        return find_files(
            recipe.data,
            objective.domains,
            model.table,
            model.codec,
            _made_data(model, run, fabric),
            recipe.train.seed,
            tied_domains(objective.streams),
        )
    except NoSamples as error:
        raise error.with_more(readers(error.kinds)) from error


def _require_one_size(prepared: Prepared) -> None:
    """Name a file whose windows cannot be in one batch with others', before it is drawn.

    Raises:
        DataError: Naming it, and what to do.
    """
    for name, windows in prepared.windows.items():
        sizes = {
            prepared.batches.shape(name, index): index for index in windows.firsts[:MOST_SIZES]
        }
        if len(sizes) > 1:
            (one, first), (other, last) = list(sizes.items())[:2]
            raise DataError(
                f"{prepared.file_of(name, last)} gives windows of size {_sizes(other)}, "
                f"{prepared.file_of(name, first)} of {_sizes(one)}. A batch needs samples of one "
                f"size: crop or resize in the codec, remove the file, or set train.batch_size to 1."
            )


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape[1:]))


def _made_data(model: Model, run: RunDirectory, fabric: Fabric) -> Path | None:
    """The folder of data that has to be made, if there is such; rank 0 makes it."""
    domains = model.objective.domains
    made = partial(made_root, model.recipe.data, model.modality, model.codec, run.data, domains)
    on_first(fabric, made)
    return made()


def _encode(
    model: Model, collections: Collections, cache: Cache, console: Console
) -> dict[str, EncodedDomain]:
    """The training files of each domain, the codec's statistics fitted to their windows."""
    streams = model.objective.streams.values()
    drawn = {domain for stream in streams for domain in stream.domains}
    files: dict[str, Sequence[Path]] = {
        name: domain.train for name, domain in collections.domains.items() if name in drawn
    }
    if collections.extra:
        files[EXTRA] = collections.extra
    memory = Memory(model.recipe.data.memory_mib * 2**20)
    encoded = {}
    for domain, paths in files.items():
        encoded[domain] = encode_domain(
            model.codec, paths, domain, memory, cache, _tracker(console, domain)
        )
        if encoded[domain].on_disk:
            console.say(f"domain {heading(domain)}'s encoded windows are kept in {cache.folder}")
        if bad := encoded[domain].bad:
            console.warn(
                f"skipped {len(bad)} of {len(paths)} files of domain {heading(domain)}: "
                f"{list_bad(bad)}"
            )
        if not model.table.names:
            _fit(model, domain, encoded[domain].windows)
    if model.table.names:  # views of the same files, which must be seen alike
        every = Joined([domain.windows for domain in encoded.values()])
        for domain in model.objective.domains:
            _fit(model, domain, every)
    return encoded


def _cache(host: PluginHost, recipe: Recipe, run: RunDirectory) -> Cache:
    """Where encoded windows are kept that do not fit in memory, by all that decides on them."""
    folder = Path(recipe.data.cache) if recipe.data.cache else default_folder()
    # Where a run has files of its own they are of no use to another.
    storage = run.cache if is_made(recipe.data) or folder is None else Storage(folder)
    info = host.info
    settings = recipe.codec.model_dump_json()
    return Cache(
        storage, [package_version(), info.name, info.version, info.fingerprint(), settings]
    )


def _labels(
    model: Model, encoded: Mapping[str, EncodedDomain], windows: Mapping[str, StreamWindows]
) -> Labels | None:
    """What is said about each of a stream's windows, where that is more than its domain."""
    if not model.table.names:
        return None
    told = {
        name: np.repeat([model.table.of(file) for file in domain.files], domain.counts, axis=0)
        for name, domain in encoded.items()
    }

    def labels(stream: str, index: int) -> Sequence[float]:
        domain, place = windows[stream].origin(index)
        return [float(value) for value in told[domain][place]]

    return labels


def _workers(recipe: Recipe, encoded: Mapping[str, EncodedDomain]) -> int:
    """Threads pay where they wait for a disk."""
    if recipe.data.workers is not None:
        return recipe.data.workers
    return DISK_READERS if any(domain.on_disk for domain in encoded.values()) else 0


def _require_state(codec: Codec[Any]) -> None:
    """What ``fit`` learned must be in checkpoints: better said now than after days of training."""
    kind = type(codec)
    if kind.fit is Codec.fit:
        return
    if not codec.state_dict():
        raise PluginError(
            f"{kind.__name__}.fit learns something, but state_dict returns nothing, so that no "
            f"checkpoint would have it: return it there, as tensors, and take it back in "
            f"load_state_dict."
        )
    if kind.load_state_dict is Codec.load_state_dict:
        raise PluginError(
            f"{kind.__name__} has no load_state_dict: take back there what state_dict returns."
        )


def _fit(model: Model, domain: str, windows: Sequence[Window]) -> None:
    try:
        model.codec.fit(domain, LazyList(lambda index: windows[index].sample, len(windows)))
    except Exception as error:
        raise PluginError(
            f"{type(model.codec).__name__}.fit failed on domain {heading(domain)}: "
            f"{describe_exception(error)}"
        ) from error


def _tracker(console: Console, domain: str) -> Tracker:
    what = f"reading domain {heading(domain)}"
    return lambda things, total: console.track(things, total, what)


def _millions(parameters: Iterable[nn.Parameter]) -> str:
    return f"{sum(p.numel() for p in parameters) / 1e6:.3f} M"


def _frozen(network: nn.Module, trained: Sequence[nn.Parameter]) -> str:
    """What is said of a network of which not all is trained."""
    all_of_it = len(trained) == len(list(network.parameters()))
    return "" if all_of_it else f", of which {_millions(trained)} are trained, the others frozen"


def _short(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"
