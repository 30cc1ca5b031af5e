"""Everything before the first step: build the model, find and encode data, see that they fit."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from cyclekit.contract import Sample
from cyclekit.data.builtin import builtin_root
from cyclekit.data.encoded import SampleCache, Tracker, encode_domain, list_bad
from cyclekit.data.folders import Collections, find_collections
from cyclekit.data.sampling import UnpairedBatches, Window
from cyclekit.engine.model import Model, build_model
from cyclekit.engine.objective import Step
from cyclekit.engine.translator import evaluating
from cyclekit.errors import BadSample, CyclekitError, PluginError
from cyclekit.plugins import PluginHost, describe_exception
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.watcher import Watcher


@dataclass(frozen=True)
class Prepared:
    """A model and the data to train it on.

    Attributes:
        model: Built from the recipe.
        collections: The files.
        batches: Their encoded windows, unpaired.
    """

    model: Model
    collections: Collections
    batches: UnpairedBatches

    def describe(self, fabric: Fabric) -> list[str]:
        """What is about to be trained: data, networks, length."""
        train = self.model.recipe.train
        files = [
            f"{name.upper()}: {len(domain.train)} training files, {len(domain.test)} test files"
            for name, domain in self.collections.domains.items()
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
    collections = find_collections(recipe.data, _builtin_data(host, recipe, run, fabric))
    for warning in collections.warnings():
        watcher.warn(warning)
    if recipe.train.evaluate_every and not collections.has_tests:
        watcher.warn("there are no test files in both domains: nothing will be evaluated")
    windows, skipped = _encode(model, collections, watcher)
    if skipped and fabric.is_global_zero:
        run.skipped_file.write_text("".join(f"{error}\n" for error in skipped), encoding="utf-8")
    streams = {
        stream: [window for domain in domains for window in windows.get(domain, [])]
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
    )
    _require_fit(model, streams)
    return Prepared(model, collections, batches)


def _builtin_data(
    host: PluginHost, recipe: Recipe, run: RunDirectory, fabric: Fabric
) -> Path | None:
    """The folder of built-in data, if that is asked for; rank 0 makes it."""
    if fabric.is_global_zero:
        builtin_root(recipe.data, host.modality, run.data)
    fabric.barrier()
    return builtin_root(recipe.data, host.modality, run.data)


def _encode(
    model: Model, collections: Collections, watcher: Watcher
) -> tuple[dict[str, list[Window]], list[BadSample]]:
    """The training windows of each domain, the codec's statistics fitted to them, and bad files."""
    cache = SampleCache(model.codec)
    files: dict[str, Sequence[Path]] = {
        name: domain.train for name, domain in collections.domains.items()
    }
    if collections.extra:
        files["extra"] = collections.extra
    windows: dict[str, list[Window]] = {}
    skipped: list[BadSample] = []
    for domain, paths in files.items():
        samples, bad = encode_domain(cache, paths, domain, _tracker(watcher, domain))
        skipped += bad
        if bad:
            watcher.warn(
                f"skipped {len(bad)} of {len(paths)} files of domain {domain.upper()}: "
                f"{list_bad(bad)}"
            )
        _fit(model, domain, samples)
        windows[domain] = [Window(sample, domain) for sample in samples]
    return windows, skipped


def _fit(model: Model, domain: str, samples: Sequence[Sample]) -> None:
    try:
        model.codec.fit(domain, samples)
    except Exception as error:
        raise PluginError(
            f"{type(model.codec).__name__}.fit failed on domain {domain.upper()}: "
            f"{describe_exception(error)}"
        ) from error


def _tracker(watcher: Watcher, domain: str) -> Tracker:
    what = f"reading domain {domain.upper()}"
    return lambda things, total: watcher.track(things, total, what)


def _require_fit(model: Model, streams: Mapping[str, Sequence[Window]]) -> None:
    """Compute every loss of the smallest windows, so that a misfit is named before training.

    A copy of the objective is used, since its buffers must not see the samples.
    """
    smallest = {
        name: [min(windows, key=lambda window: window.sample.tensor.numel())]
        for name, windows in streams.items()
    }
    one = UnpairedBatches(model.codec, smallest, seed=0, batch_size=1).batch(
        0, 0, torch.device("cpu")
    )
    objective = copy.deepcopy(model.objective)
    step = Step(0, model.recipe.train.seed, positions=[0])
    try:
        with ExitStack() as stack:
            for network in model.networks.values():
                stack.enter_context(evaluating(network))
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
