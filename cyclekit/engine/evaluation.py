"""Measure what translation would write, on the test set, beside baselines."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from cyclekit.contract import Baseline, Codec, Metric, Translations, identity_baseline
from cyclekit.data.builtin import is_builtin, make_builtin
from cyclekit.data.folders import Collections, find_collections
from cyclekit.engine.checkpoint import write_json
from cyclekit.engine.model import Model
from cyclekit.engine.objective import Direction
from cyclekit.engine.opening import OpenRun
from cyclekit.engine.randomness import numpy_generator
from cyclekit.engine.translator import Translator
from cyclekit.errors import BadSample, CyclekitError, DataError
from cyclekit.plugins import describe_exception
from cyclekit.recipe.settings import BestSettings, DataSettings

MOST_FITTED = 1000  # training files that metrics and baselines are fitted on

Figures = dict[str, float]


class LazyItems(Sequence[Any]):
    """Items read from their files each time they are asked for, so that none stays in memory."""

    def __init__(self, codec: Codec[Any], files: Sequence[Path]) -> None:
        self._codec = codec
        self.files = tuple(files)

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> "LazyItems": ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return LazyItems(self._codec, self.files[index])
        return self._codec.load(self.files[index])


@dataclass(frozen=True)
class Judge:
    """Scores a model's translations of a test set.

    Attributes:
        model: Codec, metrics and baselines.
        collections: Test files, and training files to fit on.
        seed: Chooses the training files where there are too many.
        warn: Told of bad files and failing metrics.
        limit: Test items of each domain, 0 for all.
    """

    model: Model
    collections: Collections
    seed: int
    warn: Callable[[str], None]
    limit: int = 0

    def score(self, translator: Translator) -> dict[str, Figures]:
        """Figures by direction."""
        with tempfile.TemporaryDirectory(prefix="cyclekit-") as folder:
            return {
                name: self._measure(self._translations(translator, direction, Path(folder, name)))
                for name, direction in self.model.directions.items()
            }

    def score_baselines(self) -> dict[str, dict[str, Figures]]:
        """Figures by baseline and direction."""
        return {
            baseline.name: scored
            for baseline in (identity_baseline(), *self.model.modality.baselines)
            if (scored := self._score_baseline(baseline)) is not None
        }

    def require_test_set(self) -> None:
        """Raise ``DataError`` if there is nothing to evaluate on."""
        for name, domain in self.collections.domains.items():
            if not domain.test:
                raise DataError(
                    f"Domain {name.upper()} has no test files: add a folder test{name.upper()}, or "
                    f"name one as data.test_{name}."
                )

    def _score_baseline(self, baseline: Baseline) -> dict[str, Figures] | None:
        """``None`` where the baseline does not apply or fails; it costs only itself."""
        if not self._applies(baseline):
            return None
        scored = {}
        try:
            for name, direction in self.model.directions.items():
                convert = baseline.fit(
                    self._train_items(direction.source), self._train_items(direction.target)
                )
                with tempfile.TemporaryDirectory(prefix="cyclekit-") as folder:
                    scored[name] = self._measure(self._converted(convert, direction, Path(folder)))
        except CyclekitError:
            raise
        except Exception as error:
            self.warn(f"baseline {baseline.name!r} failed: {describe_exception(error)}")
            return None
        return scored

    def _applies(self, baseline: Baseline) -> bool:
        specs = list(self.model.objective.specs.values())
        return baseline.name != "identity" or all(s.channels == specs[0].channels for s in specs)

    def _translations(
        self, translator: Translator, direction: Direction, folder: Path
    ) -> Translations[Any]:
        there = _Written(self.model.codec, folder / "there")
        tests = self._tests(direction.source)
        for file, outcome in translator.files(tests, direction):
            if isinstance(outcome, BadSample):
                self.warn(f"skipped {outcome}")
            else:
                there.add(file, outcome)
        back = _Written(self.model.codec, folder / "back")
        returning = self.model.directions[f"{direction.target}2{direction.source}"]
        for _, outcome in translator.files([*there.files.values()], returning):
            if isinstance(outcome, BadSample):
                raise outcome  # a file that we wrote ourselves a moment ago
            back.add(Path(f"{len(back.files)}"), outcome)
        return self._assemble(direction, there, list(back.files.values()))

    def _converted(
        self, convert: Callable[[Any], Any], direction: Direction, folder: Path
    ) -> Translations[Any]:
        written = _Written(self.model.codec, folder)
        for file, item in self._readable(self._tests(direction.source)):
            written.add(file, convert(item))
        return self._assemble(direction, written, [])

    def _assemble(
        self, direction: Direction, written: "_Written", cycled: Sequence[Path]
    ) -> Translations[Any]:
        pairs = self.collections.paired.values()
        twins = dict(pairs) | {b: a for a, b in pairs}
        files = list(written.files)
        kept = [index for index, file in enumerate(files) if file in twins]
        if kept and len(kept) < len(files):
            # Paired and unpaired items together: judge the paired ones, as truths need partners.
            files = [files[index] for index in kept]
            cycled = [cycled[index] for index in kept] if cycled else []

        def items(paths: Sequence[Path]) -> LazyItems:
            return LazyItems(self.model.codec, paths)

        return Translations(
            source=direction.source,
            target=direction.target,
            inputs=items(files),
            outputs=items([written.files[file] for file in files]),
            cycled=items(cycled),
            truths=items([twins[file] for file in files] if kept else []),
            targets=items(self._tests(direction.target)),
        )

    def _measure(self, translations: Translations[Any]) -> Figures:
        figures: Figures = {}
        if not translations.inputs:
            return figures
        for metric in self.model.modality.metrics:
            if (metric.needs_pairs and not translations.truths) or (
                metric.needs_cycle and not translations.cycled
            ):
                continue
            try:
                scored = metric.score(translations, self._fitted(metric))
                figures |= self._finite({name: float(value) for name, value in scored.items()})
            except CyclekitError:
                raise
            except Exception as error:
                self.warn(f"metric {metric.name!r} failed: {describe_exception(error)}")
        return figures

    def _finite(self, figures: Figures) -> Figures:
        """Leave out, with a warning, what is no number."""
        for name, value in figures.items():
            if not math.isfinite(value):
                self.warn(f"{name} is {value} and is left out")
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    def _fitted(self, metric: Metric) -> Any:
        if metric.fit is None:
            return None
        cache = Path(tempfile.gettempdir()) / "cyclekit-metrics" / metric.name
        return metric.fit(self._train_items("a"), self._train_items("b"), self.seed, cache)

    def _tests(self, domain: str) -> Sequence[Path]:
        test = self.collections.domains[domain].test
        if not self.limit:
            return test
        # A limited evaluation looks at the same things in both domains where they are paired.
        paired = [a if domain == "a" else b for a, b in self.collections.paired.values()]
        return (paired or test)[: self.limit]

    def _train_items(self, domain: str) -> LazyItems:
        files = self.collections.domains[domain].train
        if len(files) > MOST_FITTED:
            chosen = numpy_generator(self.seed, "fitted", domain).permutation(len(files))
            files = tuple(files[index] for index in sorted(chosen[:MOST_FITTED]))
        return LazyItems(self.model.codec, [file for file, _ in self._readable(files)])

    def _readable(self, files: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
        for file in files:
            try:
                yield file, self.model.codec.load(file)
            except BadSample:
                continue  # named when the file was first met


class _Written:
    """Items saved under running numbers; remembers which file each came from."""

    def __init__(self, codec: Codec[Any], folder: Path) -> None:
        self._codec = codec
        self._folder = folder
        self.files: dict[Path, Path] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, source: Path, item: Any) -> None:
        self.files[source] = self._codec.save(item, self._folder / f"{len(self.files):06d}")


def best_figure(
    report: Mapping[str, Figures], best: BestSettings, metrics: Sequence[Metric]
) -> tuple[str, float, bool] | None:
    """The figure that decides which checkpoint is best: name, value, whether higher is better.

    Returns ``None`` where the report has no such figure.
    """
    ways = {name: higher for metric in metrics for name, higher in metric.higher_is_better.items()}
    name = best.metric or next(iter(ways), "")
    directions = list(report) if best.direction == "both" else [best.direction]
    values = [report[d][name] for d in directions if name in report.get(d, {})]
    if not values or name not in ways:
        return None
    return name, sum(values) / len(values), ways[name]


def evaluate_run(opened: OpenRun, data: Path | None, warn: Callable[[str], None]) -> dict[str, Any]:
    """Measure an open run on its test set, or on that of ``data``, beside baselines.

    Returns:
        ``{"checkpoint", "step", "a2b": {...}, "b2a": {...}, "baselines": {name: {...}}}``, which is
        also written into the run directory.

    Raises:
        DataError: If a domain has no test files.
    """
    model, run = opened.model, opened.run
    settings = model.recipe.data
    root = None
    if data is not None:
        settings = DataSettings(root=str(data))
    elif is_builtin(settings):
        make_builtin(settings, model.modality, run.data)
        root = run.data
    judge = Judge(model, find_collections(settings, root), model.recipe.train.seed, warn)
    judge.require_test_set()
    report = {
        "checkpoint": opened.checkpoint.folder.name,
        "step": opened.checkpoint.step,
        **judge.score(opened.translator),
        "baselines": judge.score_baselines(),
    }
    folder = run.folder / "evaluations"
    folder.mkdir(exist_ok=True)
    write_json(folder / f"{opened.checkpoint.folder.name}.json", report)
    return report
