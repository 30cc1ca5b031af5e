"""Everything before the first step: build the model, find and encode data, see that they fit."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from cyclekit import __version__
from cyclekit.contract import Codec
from cyclekit.data.cache import Cache, default_folder
from cyclekit.data.encoded import (
    EncodedDomain,
    Memory,
    Tracker,
    encode_domain,
    list_bad,
    remarks_on,
)
from cyclekit.data.folders import Collections, find_collections
from cyclekit.data.lazy import LazyList
from cyclekit.data.made import is_made, made_root
from cyclekit.data.pairing import without_false_pairs
from cyclekit.data.sampling import UnpairedBatches
from cyclekit.data.windows import Joined, Window
from cyclekit.describe import describe_exception
from cyclekit.engine.hardware import on_first
from cyclekit.engine.model import Model, build_model
from cyclekit.engine.objective import Step
from cyclekit.engine.translator import evaluating
from cyclekit.errors import CyclekitError, DataError, PluginError
from cyclekit.plugins import PluginHost
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.watcher import Watcher
from cyclekit.storage.folder import Storage

DISK_READERS = 4  # threads
MOST_SIZES = 1000  # that are looked at


@dataclass(frozen=True)
class Prepared:
    """A model and the data to train it on.

    Attributes:
        model: Built from the recipe.
        collections: The files.
        batches: Their encoded windows, unpaired.
        encoded: The training files, by domain.
    """

    model: Model
    collections: Collections
    batches: UnpairedBatches
    encoded: Mapping[str, EncodedDomain]

    @property
    def tests(self) -> dict[str, Sequence[Path]]:
        """The test files, by domain."""
        return {name: domain.test for name, domain in self.collections.domains.items()}

    def file_of(self, stream: str, window: int) -> Path:
        """The file that one of a stream's windows is from."""
        for domain in self.model.objective.streams[stream]:
            encoded = self.encoded.get(domain)
            if encoded and window < len(encoded.windows):
                return encoded.file_of(window)
            window -= len(encoded.windows) if encoded else 0
        raise IndexError(f"stream {stream!r} has fewer windows")

    def describe(self, fabric: Fabric) -> list[str]:
        """What is about to be trained: data, networks, length."""
        train = self.model.recipe.train
        files = [
            f"{name.upper()}: {len(domain.files)} training files, {len(domain.windows)} windows"
            + (f", {len(self.tests[name])} test files" if name in self.tests else "")
            + "".join(f", {fact} {_short(mean)}" for fact, mean in domain.mean_facts.items())
            for name, domain in self.encoded.items()
        ]
        networks = [
            f"{name}: {sum(p.numel() for p in network.parameters()) / 1e6:.3f} M parameters"
            for name, network in self.model.networks.items()
        ]
        length = (
            f"{train.steps} steps of {self.batches.global_batch} samples of each domain "
            f"on {fabric.device}, {train.precision}"
        )
        return [*files, *networks, length]


def prepare(
    host: PluginHost, recipe: Recipe, run: RunDirectory, fabric: Fabric, watcher: Watcher
) -> Prepared:
    """Get ready to train.

    Raises:
        DataError: If the data is missing, empty, or mostly unusable.
        PluginError: If the plugin's code fails, or its networks do not fit its samples.
    """
    model = build_model(host.modality, recipe, fabric.global_rank)
    made = _made_data(model, run, fabric)
    collections = find_collections(recipe.data, model.codec, made, recipe.train.seed)
    for remark in collections.remarks():
        watcher.say(remark)
    for warning in collections.warnings():
        watcher.warn(warning)
    if recipe.train.evaluate_every and not collections.has_tests:
        watcher.warn("there are no test files in both domains: nothing will be evaluated")
    encoded = _encode(model, collections, _cache(host, recipe, run), watcher)
    _require_state(model.codec)
    if not is_made(recipe.data):
        before, collections = collections, without_false_pairs(collections, model.codec)
        for doubt in collections.doubts[len(before.doubts) :]:
            watcher.warn(doubt)
    facts = {name: domain.facts for name, domain in encoded.items()}
    for remark in remarks_on(model.codec, facts):
        watcher.say(f"note: {remark}")
    streams = {
        stream: Joined([encoded[domain].windows for domain in domains if domain in encoded])
        for stream, domains in model.objective.streams.items()
    }
    batches = UnpairedBatches(
        model.codec,
        streams,
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        accumulate=recipe.train.accumulate,
        ranks=fabric.world_size,
        rank=fabric.global_rank,
        workers=_workers(recipe, encoded),
    )
    prepared = Prepared(model, collections, batches, encoded)
    if recipe.train.batch_size > 1:
        _require_one_size(prepared, streams)
    _require_fit(model, streams)
    return prepared


def _require_one_size(prepared: Prepared, streams: Mapping[str, Joined]) -> None:
    """Name a file whose windows cannot be in one batch with others', before it is drawn.

    Raises:
        DataError: Naming it, and what to do.
    """
    for name, windows in streams.items():
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
    made = partial(made_root, model.recipe.data, model.modality, model.codec, run.data)
    on_first(fabric, made)
    return made()


def _encode(
    model: Model, collections: Collections, cache: Cache, watcher: Watcher
) -> dict[str, EncodedDomain]:
    """The training files of each domain, the codec's statistics fitted to their windows."""
    files: dict[str, Sequence[Path]] = {
        name: domain.train for name, domain in collections.domains.items()
    }
    if collections.extra:
        files["extra"] = collections.extra
    memory = Memory(model.recipe.data.memory * 2**20)
    encoded = {}
    for domain, paths in files.items():
        encoded[domain] = encode_domain(
            model.codec, paths, domain, memory, cache, _tracker(watcher, domain)
        )
        if encoded[domain].on_disk:
            watcher.say(f"domain {domain.upper()}'s encoded windows are kept in {cache.folder}")
        if bad := encoded[domain].bad:
            watcher.warn(
                f"skipped {len(bad)} of {len(paths)} files of domain {domain.upper()}: "
                f"{list_bad(bad)}"
            )
        _fit(model, domain, encoded[domain].windows)
    return encoded


def _cache(host: PluginHost, recipe: Recipe, run: RunDirectory) -> Cache:
    """Where encoded windows are kept that do not fit in memory, by all that decides on them."""
    folder = Path(recipe.data.cache) if recipe.data.cache else default_folder()
    # Where a run has files of its own they are of no use to another.
    storage = run.cache if is_made(recipe.data) or folder is None else Storage(folder)
    info = host.info
    settings = recipe.codec.model_dump_json()
    return Cache(storage, [__version__, info.name, info.version, info.fingerprint(), settings])


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
            f"{type(model.codec).__name__}.fit failed on domain {domain.upper()}: "
            f"{describe_exception(error)}"
        ) from error


def _tracker(watcher: Watcher, domain: str) -> Tracker:
    what = f"reading domain {domain.upper()}"
    return lambda things, total: watcher.track(things, total, what)


def _require_fit(model: Model, streams: Mapping[str, Joined]) -> None:
    """Compute every loss of the smallest windows, so that a misfit is named before training.

    A copy of the objective is used, since its buffers must not see the samples.
    """
    smallest = {name: [windows.smallest] for name, windows in streams.items()}
    one = UnpairedBatches(model.codec, smallest, seed=0, batch_size=1).batch(
        0, 0, torch.device("cpu")
    )
    objective = copy.deepcopy(model.objective)
    step = Step(0, model.recipe.train.seed, positions=[0])
    try:
        with ExitStack() as stack:
            for network in model.networks.values():
                stack.enter_context(evaluating(network))
                # No gradients are wanted here, nor the memory that they take.
                stack.callback(network.requires_grad_(False).requires_grad_, True)
            for phase in objective.phases:
                objective.losses(phase.name, model.networks, one, step)
    except CyclekitError:
        raise
    except Exception as error:
        shapes = ", ".join(f"{name.upper()} {tuple(x.shape[1:])}" for name, x in one.items())
        raise PluginError(
            f"The networks cannot take samples of these shapes: {shapes} "
            f"({describe_exception(error)}). Use larger windows, sizes that divide by what the "
            f"generator needs, or fewer discriminator.layers."
        ) from error


def _short(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"
