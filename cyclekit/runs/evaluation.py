"""The report of a run on its test set, and where it is kept."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.contract.options import Options
from cyclekit.data.attributed import find_files
from cyclekit.data.counterparts import tied_domains
from cyclekit.data.folders import Collections
from cyclekit.data.generated import is_made, made_root
from cyclekit.data.pairing import without_false_pairs
from cyclekit.judging.figures import Scores, figures_of, with_both
from cyclekit.judging.intervals import interval_of
from cyclekit.judging.judge import Judge
from cyclekit.names import fitting
from cyclekit.recipe.layers import Layers
from cyclekit.recipe.reading import Setting
from cyclekit.recipe.resolve import resolve_metric_options
from cyclekit.recipe.settings import DataSettings
from cyclekit.runs.checkpoints import BEST, LATEST
from cyclekit.runs.layout import RunLayout, step_name
from cyclekit.runs.open_run import OpenRun
from cyclekit.runs.records import to_json

TRANSLATED = "translated"  # what the networks made, among other ways to translate


@dataclass(frozen=True)
class Measured:
    """A run that was measured.

    Attributes:
        report: What ``evaluate_run`` returns.
        name: Which checkpoint it is about, in words.
        directions: Ways of translating, each with its source and target.
    """

    report: dict[str, Any]
    name: str
    directions: dict[str, tuple[str, str]]


def report_on(
    opening: Callable[[str, Console], OpenRun],
    checkpoint: str | None,
    data: Path | None,
    settings: Iterable[Setting],
    quick: bool,
    console: Console,
    model: Path | None = None,
) -> Measured:
    """Open a run and measure it.

    Args:
        opening: Opens it with a checkpoint's weights, and says how it computes.
        checkpoint: ``latest``, ``best`` or a step; ``None``: the latest, and the best beside it.
        data: Another folder with training and test sets.
        settings: Of the plugin's metrics.
        quick: Leave out what takes long.
        console: Is told what is going on.
        model: The exported file that ``opening`` puts in place of a direction's networks.

    Raises:
        CyclekitError: If it cannot be opened or has no test set.
    """
    opened = opening(checkpoint or LATEST, console)
    layers = Layers()
    layers.lay(settings)
    options = resolve_metric_options(layers, opened.model.modality)
    best = opened.run.checkpoints.best_step() if checkpoint is None and not model else None
    apart = best is not None and best != opened.checkpoint.step
    report = evaluate_run(
        opened,
        data,
        console,
        best=opening(BEST, Console(quiet=True)) if apart else None,
        options=options,
        quick=quick,
        model=model,
    )
    name = LATEST if apart or best is None else f"{LATEST} and {BEST}"
    ways = {way: direction.place for way, direction in opened.model.directions.items()}
    return Measured(report, checkpoint or name, ways)


def evaluate_run(
    opened: OpenRun,
    data: Path | None,
    console: Console,
    *,
    best: OpenRun | None = None,
    options: Options | None = None,
    quick: bool = False,
    model: Path | None = None,
) -> dict[str, Any]:
    """Measure an open run on its test set, or on that of ``data``, beside baselines.

    Args:
        opened: The run.
        data: Another folder with training and test sets.
        console: Told of bad files and failing metrics, and of what is going on.
        best: The same run with another checkpoint, to be measured too.
        options: Settings of the metrics.
        quick: Leave out costly metrics and the classifier.
        model: The exported file that ``opened`` translates with, if one.

    Returns:
        ``{"checkpoint", "step", "seed", "a2b": {...}, "b2a": {...}, "both": {...}, "baselines":
        {name: {...}}, "best": {"checkpoint", "step", "a2b": ...}, "real": {...},
        "higher_is_better": {...}, "test_items": {...}, "protocol": {metric: line}, "intervals":
        {way: {direction: {figure: [low, high]}}}, "items": {direction: [name, ...]}, "values":
        {way: {direction: {figure: [value, ...]}}}}``, which is also written into the run directory.
        ``both`` is the mean of all directions; ``best`` is there where it was given, ``real`` where
        a metric needs neither pairs nor a way back. Ways in ``intervals`` and ``values`` are
        ``translated``, ``best`` and baselines; only figures that are means over items are in
        both, in ``intervals`` also those that say how sure they are (``Estimate``).

    Raises:
        DataError: If a domain has no test files.
    """
    run = opened.run
    collections = _collections(opened, data)
    for doubt in collections.doubts:
        console.warn(doubt)
    judge = Judge(
        opened.model,
        collections,
        console.warn,
        run.metrics,
        thorough=not quick,
        options=options,
        say=console.say,
        track=console.track,
    )
    judge.evidence.require_test_set()
    judge.expect(2 if best else 1)
    scored = judge.score(opened.translator)
    further: dict[str, Any] = {}
    of_best = judge.score(best.translator) if best else None
    if model is not None:
        further["model"] = model.name
    others = [path.resolve().name for path in (data, model) if path is not None]
    other = "".join(f"-{fitting(name)}" for name in others)
    at_best = (best.checkpoint.step, of_best) if best and of_best is not None else None
    return keep_evaluation(run, opened.checkpoint.step, scored, judge, other, further, at_best)


def _collections(opened: OpenRun, data: Path | None) -> Collections:
    """The run's own files, or those of ``data``."""
    model, recipe = opened.model, opened.model.recipe
    domains, made = model.objective.domains, None
    where, table = recipe.data, model.table
    if data is not None:
        pairs = data / Path(where.pairs).name if where.pairs else None
        inside = str(pairs) if pairs and pairs.is_file() else None
        where = DataSettings(root=str(data), attributes=where.attributes, pairs=inside)
        table = table.inside(data)
    if data is None:
        made = made_root(where, model.modality, model.codec, opened.run.data, domains)
    tied = tied_domains(model.objective.streams)
    seed = recipe.train.seed
    found = find_files(where, domains, table, model.codec, made, seed, tied)
    return found if is_made(where) or table.names else without_false_pairs(found, model.codec)


def keep_evaluation(
    run: RunLayout,
    step: int,
    scored: Mapping[str, Scores],
    judge: Judge,
    other: str = "",
    further: Mapping[str, Any] | None = None,
    at_best: tuple[int, Mapping[str, Scores]] | None = None,
) -> dict[str, Any]:
    """Measure baselines and real items beside a checkpoint's figures; write all into the run.

    Args:
        run: The run.
        step: Of the checkpoint that was scored.
        scored: Its figures by direction.
        judge: Scored it.
        other: Ends the file's name where the test set is not the run's own.
        further: What else the report is to hold.
        at_best: The best checkpoint's step and figures, where it was measured as well.

    Returns:
        What ``evaluate_run`` returns.
    """
    baselines = judge.baseline_scores
    real = judge.real_scores
    ways = {TRANSLATED: scored, **({BEST: at_best[1]} if at_best else {}), **baselines}
    report = {
        **_about(step, scored),
        "seed": judge.seed,
        "baselines": {name: _figures(scores) for name, scores in baselines.items()},
        **(further or {}),
        **({BEST: _about(*at_best)} if at_best else {}),
        **({"real": _figures(real)} if real else {}),
        "higher_is_better": judge.higher_is_better,
        "test_items": {name: len(files) for name, files in judge.evidence.tests.items()},
        "protocol": judge.protocol,
        "intervals": {name: _intervals(scores, judge.seed) for name, scores in ways.items()},
        "items": {name: list(scores.names) for name, scores in scored.items()},
        "values": {name: _values(scores) for name, scores in ways.items()},
    }
    storage = run.storage.below(run.evaluations.name)
    storage.clean(alone=False)
    storage.write_text(f"{step_name(step)}{other}.json", to_json(report))
    return report


def _about(step: int, scored: Mapping[str, Scores]) -> dict[str, Any]:
    return {"checkpoint": step_name(step), "step": step, **_figures(scored)}


def _figures(scored: Mapping[str, Scores]) -> dict[str, dict[str, float]]:
    """By direction, and their means."""
    return with_both(figures_of(scored))


def _intervals(scored: Mapping[str, Scores], seed: int) -> dict[str, dict[str, list[float]]]:
    """Of every figure that is a mean over items: ends of a 95 % interval, by direction and of the
    directions' mean; of others those that they say themselves, by direction alone."""
    first, *others = scored.values()
    shared = [name for name in first.values if all(name in other.values for other in others)]
    asked = {way: {name: [v] for name, v in of.values.items()} for way, of in scored.items()}
    asked["both"] = {name: [of.values[name] for of in scored.values()] for name in shared}
    found: dict[str, dict[str, list[float]]] = {}
    for way, figures in asked.items():
        ends = {name: interval_of(values, seed) for name, values in figures.items()}
        found[way] = {name: list(each) for name, each in ends.items() if each is not None}
        told = scored[way].intervals if way in scored else {}
        found[way] |= {name: list(each) for name, each in told.items()}
    return found


def _values(scored: Mapping[str, Scores]) -> dict[str, dict[str, list[float | None]]]:
    """Each item's value by direction and figure; ``null`` where it has none."""
    return {
        way: {
            name: [None if math.isnan(value) else round(value, 6) for value in values]
            for name, values in of.values.items()
        }
        for way, of in scored.items()
    }
