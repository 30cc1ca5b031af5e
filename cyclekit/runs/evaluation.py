"""The report of a run on its test set, and where it is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclekit.contract import Options
from cyclekit.data.builtin import builtin_root
from cyclekit.data.folders import find_collections
from cyclekit.judging.figures import with_both
from cyclekit.judging.judge import Judge
from cyclekit.recipe.settings import DataSettings
from cyclekit.runs.checkpoint import write_json
from cyclekit.runs.opening import OpenRun


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
        ``{"checkpoint", "step", "seed", "items": {"a": 9, "b": 9}, "a2b": {...}, "b2a": {...},
        "both": {...}, "best": {"checkpoint", "step", "a2b": ...}, "baselines": {name: {...}},
        "real": {...}, "protocol": {metric: line}}``, which is also written into the run directory.
        ``both`` is the directions' mean; ``best`` is there where it was given, ``real`` where a
        metric needs neither pairs nor a way back.

    Raises:
        DataError: If a domain has no test files.
    """
    model, run = opened.model, opened.run
    settings = model.recipe.data if data is None else DataSettings(root=str(data))
    collections = find_collections(settings, builtin_root(settings, model.modality, run.data))
    cache = run.folder / "metrics"
    judge = Judge(model, collections, warn, cache, thorough=not quick, options=options)
    judge.evidence.require_test_set()
    scored = _scored(judge, opened)
    others = {"best": _scored(judge, best)} if best else {}
    baselines = judge.score_baselines()
    real = judge.score_real()
    report = {
        **scored,
        "seed": model.recipe.train.seed,
        "items": {name: len(files) for name, files in judge.evidence.tests.items()},
        **others,
        "baselines": {name: with_both(figures) for name, figures in baselines.items()},
        **({"real": with_both(real)} if real else {}),
        "protocol": judge.protocol,
    }
    folder = run.folder / "evaluations"
    folder.mkdir(exist_ok=True)
    other = f"-{data.resolve().name}" if data is not None else ""
    write_json(folder / f"{opened.checkpoint.folder.name}{other}.json", report)
    return report


def _scored(judge: Judge, opened: OpenRun) -> dict[str, Any]:
    checkpoint = opened.checkpoint
    about = {"checkpoint": checkpoint.folder.name, "step": checkpoint.step}
    return {**about, **with_both(judge.score(opened.translator))}
