"""The report of a run on its test set, and where it is kept."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cyclekit.contract import Options
from cyclekit.data.folders import find_collections
from cyclekit.data.made import made_root
from cyclekit.judging.figures import Figures, with_both
from cyclekit.judging.judge import Judge
from cyclekit.recipe.settings import DataSettings
from cyclekit.runs.layout import RunLayout, step_name
from cyclekit.runs.opening import OpenRun
from cyclekit.runs.records import to_json


def evaluate_run(
    opened: OpenRun,
    data: Path | None,
    warn: Callable[[str], None],
    *,
    best: OpenRun | None = None,
    options: Options | None = None,
    quick: bool = False,
) -> dict[str, Any]:
    """Measure an open run on its test set, or on that of ``data``, beside baselines.

    Args:
        opened: The run.
        data: Another folder with training and test sets.
        warn: Told of bad files and failing metrics.
        best: The same run with another checkpoint, to be measured too.
        options: Settings of the metrics.
        quick: Leave out costly metrics and the classifier.

    Returns:
        ``{"checkpoint", "step", "seed", "a2b": {...}, "b2a": {...}, "both": {...}, "baselines":
        {name: {...}}, "best": {"checkpoint", "step", "a2b": ...}, "real": {...},
        "higher_is_better": {...}, "test_items": {...}, "protocol": {metric: line}}``, which is also
        written into the run directory. ``both`` is the directions' mean; ``best`` is there where it
        was given, ``real`` where a metric needs neither pairs nor a way back.

    Raises:
        DataError: If a domain has no test files.
    """
    model, run = opened.model, opened.run
    if data is None:
        made = made_root(model.recipe.data, model.modality, model.codec, run.data)
        collections = find_collections(model.recipe.data, made)
    else:
        collections = find_collections(DataSettings(root=str(data)))
    cache = run.storage.below("metrics")
    judge = Judge(model, collections, warn, cache, thorough=not quick, options=options)
    judge.evidence.require_test_set()
    scored = judge.score(opened.translator)
    further = {}
    if best:
        further["best"] = _about(best.checkpoint.step, judge.score(best.translator))
    other = f"-{data.resolve().name}" if data is not None else ""
    return keep_evaluation(run, opened.checkpoint.step, scored, judge, other, further)


def keep_evaluation(
    run: RunLayout,
    step: int,
    scored: Mapping[str, Figures],
    judge: Judge,
    other: str = "",
    further: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure baselines and real items beside a checkpoint's figures; write all into the run.

    Args:
        run: The run.
        step: Of the checkpoint that was scored.
        scored: Its figures by direction.
        judge: Scored it.
        other: Ends the file's name where the test set is not the run's own.
        further: What else the report is to hold.

    Returns:
        What ``evaluate_run`` returns.
    """
    baselines = judge.score_baselines()
    real = judge.score_real()
    report = {
        **_about(step, scored),
        "seed": judge.seed,
        "baselines": {name: with_both(figures) for name, figures in baselines.items()},
        **(further or {}),
        **({"real": with_both(real)} if real else {}),
        "higher_is_better": judge.higher_is_better,
        "test_items": {name: len(files) for name, files in judge.evidence.tests.items()},
        "protocol": judge.protocol,
    }
    place = run.storage.below(run.evaluations.name)
    place.write_text(f"{step_name(step)}{other}.json", to_json(report))
    return report


def _about(step: int, scored: Mapping[str, Figures]) -> dict[str, Any]:
    return {"checkpoint": step_name(step), "step": step, **with_both(scored)}
