"""Everything before the first step: build the model, find and encode data, see that they fit."""

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from cyclekit.data.builtin import is_builtin, make_builtin
from cyclekit.data.encoded import SampleCache, Tracker, encode_domain, list_bad
from cyclekit.data.folders import Collections, find_collections
from cyclekit.data.sampling import UnpairedBatches, Window
from cyclekit.engine.console import Watcher
from cyclekit.engine.model import Model, build_model
from cyclekit.engine.objective import Step
from cyclekit.engine.run_directory import RunDirectory
from cyclekit.engine.translator import evaluating
from cyclekit.errors import CyclekitError, PluginError
from cyclekit.plugins import PluginHost, describe_exception
from cyclekit.recipe.settings import Recipe


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
    windows = _encode(model, collections, watcher)
    batches = UnpairedBatches(
        model.codec,
        {
            stream: [window for domain in domains for window in windows.get(domain, [])]
            for stream, domains in model.objective.streams.items()
        },
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        accumulate=recipe.train.accumulate,
        ranks=fabric.world_size,
        rank=fabric.global_rank,
    )
    _require_fit(model, batches)
    return Prepared(model, collections, batches)


def _builtin_data(
    host: PluginHost, recipe: Recipe, run: RunDirectory, fabric: Fabric
) -> Path | None:
    """The folder of built-in data, made by rank 0 where it is not there yet."""
    if not is_builtin(recipe.data):
        return None
    if fabric.is_global_zero:
        make_builtin(recipe.data, host.modality, run.data)
    fabric.barrier()
    return run.data


def _encode(model: Model, collections: Collections, watcher: Watcher) -> dict[str, list[Window]]:
    """The training windows of each domain, the codec's statistics fitted to them."""
    cache = SampleCache(model.codec)
    files: dict[str, Sequence[Path]] = {
        name: domain.train for name, domain in collections.domains.items()
    }
    if collections.extra:
        files["extra"] = collections.extra
    windows = {}
    for domain, paths in files.items():
        samples, bad = encode_domain(cache, paths, domain, _tracker(watcher, domain))
        if bad:
            watcher.warn(
                f"skipped {len(bad)} of {len(paths)} files of domain {domain.upper()}: "
                f"{list_bad(bad)}"
            )
        model.codec.fit(domain, samples)
        windows[domain] = [Window(sample, domain) for sample in samples]
    return windows


def _tracker(watcher: Watcher, domain: str) -> Tracker:
    what = f"reading domain {domain.upper()}"
    return lambda things, total: watcher.track(things, total, what)


def _require_fit(model: Model, batches: UnpairedBatches) -> None:
    """Compute every loss of one sample, so that a misfit is named before training starts.

    A copy of the objective is used, since its buffers must not see the sample.
    """
    batch = batches.batch(0, 0, torch.device("cpu"))
    one = {name: x[:1] for name, x in batch.items()}
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
