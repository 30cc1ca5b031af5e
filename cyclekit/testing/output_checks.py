"""Checks of what people see: translations, previews, figures, recipes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclekit.contract.declarations import Direction
from cyclekit.contract.metrics import Metric, Translations
from cyclekit.contract.previews import Media, PreviewRow
from cyclekit.engine.translator import Translator
from cyclekit.errors import CyclekitError
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.resolve import resolve
from cyclekit.testing.checks import check
from cyclekit.testing.faults import Fault, calling, finite, require, same
from cyclekit.testing.subject import Subject

SEED = 0
PICTURE = ("(3, height, width) uint8", 3, False)
SOUND = ("(samples,) of floats in -1..1", 1, True)


@check("translate", "decode", "step")
def translate(subject: Subject) -> None:
    """Whole items are translated to items of the same size, in every direction."""
    for direction in subject.trainer.model.objective.directions:
        source, target = direction.ends
        translated = _translated(subject, direction)
        with calling("encode, of a translation,"):
            after = subject.codec.encode(translated, target).tensor
        require(bool(after.isfinite().all()), "A translation holds what is no finite number.")
        before = subject.samples[source][0].tensor
        require(
            after.shape[1:] == before.shape[1:],
            f"A translation has another size than its source ({tuple(after.shape[1:])} for "
            f"{tuple(before.shape[1:])}): keep what decode needs in Sample.meta.",
        )


@check("render", "translate")
def render(subject: Subject) -> None:
    """Previews are files."""
    folder = subject.folder / "previews"
    folder.mkdir()
    direction = subject.trainer.model.objective.directions[0]
    real, translated = subject.items[direction.source][0], _translated(subject, direction)
    row = PreviewRow("some.name", direction.source, direction.target, real, translated, real)
    with calling("render"):
        media = subject.codec.render([row], folder)
    require(any(folder.iterdir()), "render wrote no file: write at least one into the folder.")
    require(
        isinstance(media, list) and all(isinstance(each, Media) for each in media),
        "render must return a list of Media, which may be empty.",
    )
    lost = [each.path.name for each in media if not each.path.is_file()]
    require(not lost, f"render returned Media whose file is not there: {', '.join(lost)}.")
    for each in media:
        _require_shape(f"Media.image of {each.title!r}", each.image, PICTURE)
        _require_shape(f"Media.audio of {each.title!r}", each.audio, SOUND)


@check("metrics", "translate")
def metrics(subject: Subject) -> None:
    """Figures are finite and their directions are known."""
    for metric in subject.modality.metrics:
        figures = _scored(subject, metric)
        values = (
            [_mean(value) for value in figures.values()] if isinstance(figures, Mapping) else None
        )
        require(
            values is not None and finite(values),
            f"Metric {metric.name!r} must return {{figure: finite number, or one for each item}}, "
            f"not {figures}.",
        )
        # One that returns nothing lacks something that is not installed.
        missing = set(metric.higher_is_better) - set(figures) if figures else ()
        require(
            not missing,
            f"Metric {metric.name!r} says which way {', '.join(sorted(missing))} improves, but "
            f"does not return it.",
        )


@check("baselines", "save")
def baselines(subject: Subject) -> None:
    """Baselines turn items into items."""
    for baseline in subject.modality.baselines:
        with calling(f"Baseline {baseline.name!r}"):
            source, target = subject.trainer.model.objective.directions[0].ends
            convert = baseline.fit(subject.items[source], subject.items[target])
            made = convert(subject.items[source][0])
            subject.codec.encode(made, target)


@check("corruptions", "save", "deterministic")
def corruptions(subject: Subject) -> None:
    """Corruptions turn items into others that can be encoded, and leave what they get alone."""
    if len(subject.domains) != 2:
        return  # there is nothing to make one of the other
    spoilt_domain, whole = subject.domains
    codec, item = subject.codec, subject.items[whole][0]
    for name, spoil in subject.modality.corruptions.items():
        what = f"Corruption {name!r}"
        with calling(what):
            spoilt = [spoil(item, np.random.default_rng(SEED)) for _ in range(2)]
        with calling(f"encode, of what {name!r} made,"):
            first, again = (codec.encode(one, spoilt_domain).tensor for one in spoilt)
        require(
            same(first, again),
            f"{what} gives something else for the same generator: draw all chance from rng.",
        )
        now = codec.encode(item, whole).tensor
        require(
            same(now, subject.samples[whole][0].tensor),
            f"{what} changes the item that it is given: work on a copy.",
        )


@check("recipes", "options")
def recipes(subject: Subject) -> None:
    """Every recipe that comes with the plugin can be resolved."""
    if subject.info is None:
        return
    for name, file in find_recipes(subject.info).items():
        try:
            layers = read_layers(file, subject.info)
            layers.table.setdefault("plugin", subject.modality.name)
            resolve(layers, subject.modality)
        except CyclekitError as error:
            raise Fault(f"Recipe {name!r} ({file}): {error}") from error


def _mean(value: Any) -> float:
    """A figure, or the mean of items' values, some of which may have none (NaN)."""
    if not isinstance(value, list):
        return float(value)
    known = [float(each) for each in value if not math.isnan(each)]
    return sum(known) / len(known) if known else 0.0


def _require_shape(what: str, tensor: Any, wanted: tuple[str, int, bool]) -> None:
    told, axes, is_float = wanted
    if tensor is None:
        return
    fits = (
        isinstance(tensor, Tensor)
        and tensor.dim() == axes
        and (axes != 3 or tensor.shape[0] == 3)
        and (tensor.is_floating_point() if is_float else tensor.dtype == torch.uint8)
    )
    found = f"{tuple(tensor.shape)} {tensor.dtype}" if isinstance(tensor, Tensor) else repr(tensor)
    require(fits, f"{what} must be {told}, not {found}.")


def _translated(subject: Subject, direction: Direction) -> Any:
    trainer = subject.trainer
    translator = Translator(trainer.model, trainer.translating_networks, subject.fabric)
    with calling("Translation"):
        (translated,) = translator.items([subject.items[direction.source][0]], direction)
    return translated


def _scored(subject: Subject, metric: Metric) -> Any:
    """A metric's figures for items that stand for their own translations."""
    source, target = subject.trainer.model.objective.directions[0].ends
    a, b = subject.items[source], subject.items[target]
    count = min(len(a), len(b))
    options = subject.modality.metric_options()
    shown = Translations(source, target, a[:count], b[:count], a[:count], b[:count], b, options)
    with calling(f"Metric {metric.name!r}"):
        fitted = metric.fit(subject.items, SEED, subject.folder) if metric.fit else None
        return metric.score(shown, fitted)
