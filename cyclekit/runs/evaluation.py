"""Measure what translation would write, on the test set, beside baselines."""

import filecmp
import math
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from cyclekit.contract import DOMAINS, Baseline, Metric, Translations, identity_baseline
from cyclekit.data.encoded import encode_file, guarded, list_bad, load_file
from cyclekit.data.folders import Collections, find_collections
from cyclekit.data.lazy import Lazy, LazyList
from cyclekit.data.made import made_root
from cyclekit.engine.model import Model
from cyclekit.engine.objective import Direction
from cyclekit.engine.translator import Translator
from cyclekit.errors import BadSample, CyclekitError, DataError
from cyclekit.plugins import describe_exception
from cyclekit.randomness import numpy_generator
from cyclekit.recipe.settings import BestSettings, DataSettings
from cyclekit.runs.atomic import replace_text
from cyclekit.runs.checkpoint import Checkpoint
from cyclekit.runs.layout import RunLayout
from cyclekit.runs.opening import OpenRun
from cyclekit.runs.records import to_json

MOST_FITTED = 1000  # training files that metrics and baselines are fitted on

Figures = dict[str, float]


def items_of(files: Sequence[Path], read: Callable[[Path], Any]) -> Lazy[Any]:
    """Items read from their files each time they are asked for, so that none stays in memory."""
    return LazyList(lambda index: read(files[index]), len(files))


class Judge:
    """Scores a model's translations of a test set.

    Args:
        model: Codec, metrics and baselines.
        collections: Test files, and training files to fit on.
        seed: Chooses the training files where there are too many.
        warn: Told of bad files and failing metrics.
        cache: Folder in which metrics keep what they learned.
        limit: Test items of each domain, 0 for all.
    """

    def __init__(
        self,
        model: Model,
        collections: Collections,
        seed: int,
        warn: Callable[[str], None],
        cache: Path,
        limit: int = 0,
    ) -> None:
        self._model = model
        self._codec = model.codec
        self._collections = collections
        self._seed = seed
        self._warn = warn
        self._cache = cache
        self._limit = limit
        self._fitted: dict[str, Any] = {}
        self._warned: set[str] = set()

    def score(self, translator: Translator) -> dict[str, Figures]:
        """Figures by direction."""
        scored = {}
        for name, direction in self._model.directions.items():
            back = self._model.reverse(direction)
            tests = self._tests[direction.source]
            with tempfile.TemporaryDirectory(prefix="cyclekit-") as folder:
                there = self._write(Path(folder, "there"), translated(translator, tests, direction))
                cycled = self._write(Path(folder, "back"), self._returned(translator, there, back))
                scored[name] = self._measure(self._assemble(direction, there, cycled))
        return scored

    def score_baselines(self) -> dict[str, dict[str, Figures]]:
        """Figures by baseline and direction; one that fails or does not apply is left out.

        ``codec``, where the test set is paired and the codec loses anything, is the truth encoded
        and decoded: what a perfect generator would score.
        """
        rows = {"codec": self._score_codec} if self._twins else {}
        for baseline in self._baselines():
            rows[baseline.name] = partial(self._score_baseline, baseline)
        scored = {}
        for name, score in rows.items():
            try:
                scored[name] = score()
            except CyclekitError:
                raise
            except Exception as error:
                self._warn(f"baseline {name!r} failed: {describe_exception(error)}")
        return {name: figures for name, figures in scored.items() if figures}

    @property
    def higher_is_better(self) -> dict[str, bool]:
        """Which way each figure improves; those that say neither are missing."""
        return _ways(self._model.modality.metrics)

    @property
    def test_items(self) -> dict[str, int]:
        """How many test items of each domain can be read."""
        return {domain: len(files) for domain, files in self._tests.items()}

    def require_test_set(self) -> None:
        """Raise ``DataError`` if a domain has no test files, or none that can be read."""
        for name, domain in self._collections.domains.items():
            if not domain.test:
                raise DataError(
                    f"Domain {name.upper()} has no test files: add a folder test{name.upper()}, or "
                    f"name one as data.test_{name}."
                )
            if not self._tests[name]:
                raise DataError(f"None of domain {name.upper()}'s test files can be read.")

    def _baselines(self) -> list[Baseline]:
        """Those that make sense for the domains."""
        every = [identity_baseline(), *self._model.modality.baselines]
        channels = [spec.channels for spec in self._model.objective.specs.values()]
        if len(set(channels)) == 1:
            return every
        out = [repr(baseline.name) for baseline in every if baseline.equal_channels]
        self._warn(
            f"left out {' and '.join(out)}: for domains with as many channels, not "
            f"{' and '.join(map(str, channels))}"
        )
        return [baseline for baseline in every if not baseline.equal_channels]

    def _score_codec(self) -> dict[str, Figures]:
        scored = {}
        for name, direction in self._model.directions.items():
            # Items without a counterpart hold their own place; nobody judges them.
            wanted = [
                (self._twins[file], direction.target)
                if file in self._twins
                else (file, direction.source)
                for file in self._tests[direction.source]
            ]
            with tempfile.TemporaryDirectory(prefix="cyclekit-") as folder:
                truths = self._write(Path(folder, "truths"), self._loaded(wanted))
                recoded = (self._recoded(file, domain) for file, domain in wanted)
                outputs = self._write(Path(folder, "recoded"), recoded)
                if all(
                    filecmp.cmp(*pair, shallow=False) for pair in zip(truths, outputs, strict=True)
                ):
                    return {}
                scored[name] = self._measure(self._assemble(direction, outputs, []))
        return scored

    def _recoded(self, file: Path, domain: str) -> Any:
        sample = encode_file(self._codec, file, domain)
        return guarded(self._codec, "decode", file, sample.tensor, domain, sample.meta)

    def _score_baseline(self, baseline: Baseline) -> dict[str, Figures]:
        scored = {}
        for name, direction in self._model.directions.items():
            convert = baseline.fit(
                self._train_items[direction.source], self._train_items[direction.target]
            )
            inputs = self._items(self._tests[direction.source], direction.source)
            with tempfile.TemporaryDirectory(prefix="cyclekit-") as folder:
                outputs = self._write(Path(folder, "there"), map(convert, inputs))
                scored[name] = self._measure(self._assemble(direction, outputs, []))
        return scored

    def _returned(
        self, translator: Translator, files: Sequence[Path], back: Direction | None
    ) -> Iterator[Any]:
        """Translations, as they were written, translated back where there is a way."""
        if back is None:
            return
        for file in files:
            item = guarded(self._codec, "read_back", file, file)
            yield from translator.items([item], back, [file])

    def _write(self, folder: Path, items: Iterable[Any]) -> list[Path]:
        """Save items as translation would, under running numbers."""
        folder.mkdir()
        return [self._codec.save(item, folder / f"{n:06d}") for n, item in enumerate(items)]

    def _assemble(
        self, direction: Direction, outputs: Sequence[Path], cycled: Sequence[Path]
    ) -> Translations[Any]:
        """What metrics are shown; where some items are paired, the paired ones alone."""
        inputs = self._tests[direction.source]
        twins = self._twins
        paired = [n for n, file in enumerate(inputs) if file in twins]
        judged = paired or range(len(inputs))

        def written(files: Sequence[Path]) -> Lazy[Any]:
            return items_of([files[n] for n in judged] if files else [], self._codec.read_back)

        return Translations(
            source=direction.source,
            target=direction.target,
            inputs=self._items([inputs[n] for n in judged], direction.source),
            outputs=written(outputs),
            cycled=written(cycled),
            truths=self._items([twins[inputs[n]] for n in paired], direction.target),
            targets=self._items(self._tests[direction.target], direction.target),
        )

    def _measure(self, translations: Translations[Any]) -> Figures:
        figures: Figures = {}
        for metric in self._model.modality.metrics if translations.inputs else ():
            if (metric.needs_pairs and not translations.truths) or (
                metric.needs_cycle and not translations.cycled
            ):
                continue
            try:
                with self._passing_on_warnings():
                    scored = metric.score(translations, self._fit(metric))
                numbers = {name: float(value) for name, value in scored.items()}
                figures |= self._finite(numbers, metric, translations)
            except CyclekitError:
                raise
            except Exception as error:
                self._warn_once(f"metric {metric.name!r} failed: {describe_exception(error)}")
        return figures

    @contextmanager
    def _passing_on_warnings(self) -> Iterator[None]:
        """Let a person see what a metric warns of, each warning once."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", category=UserWarning)
            yield
        for warning in caught:
            self._warn_once(str(warning.message))

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warn(message)
            self._warned.add(message)

    def _fit(self, metric: Metric) -> Any:
        if metric.fit is not None and metric.name not in self._fitted:
            cache = self._cache / metric.name
            cache.mkdir(parents=True, exist_ok=True)
            a, b = (self._train_items[domain] for domain in DOMAINS)
            self._fitted[metric.name] = metric.fit(a, b, self._seed, cache)
        return self._fitted.get(metric.name)

    def _finite(self, figures: Figures, metric: Metric, judged: Translations[Any]) -> Figures:
        """Leave out, with a warning, what is no number."""
        way = f"{judged.source.upper()} to {judged.target.upper()}"
        for name, value in figures.items():
            if not math.isfinite(value):
                self._warn_once(f"metric {metric.name!r}, {way}: {name} is {value}; left out")
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    @cached_property
    def _tests(self) -> dict[str, list[Path]]:
        """Readable test files of each domain, the same things in both where they are paired."""
        pairs = self._collections.paired.values()
        tests = {}
        for index, (name, domain) in enumerate(self._collections.domains.items()):
            files = [pair[index] for pair in pairs] if self._limit and pairs else domain.test
            wanted = files[: self._limit] if self._limit else files
            tests[name] = self._readable(wanted, name, self._warn)
        return tests

    @cached_property
    def _twins(self) -> dict[Path, Path]:
        """Each readable test file's counterpart in the other domain, where it is readable too."""
        readable = {file for files in self._tests.values() for file in files}
        pairs = [pair for pair in self._collections.paired.values() if readable.issuperset(pair)]
        return dict(pairs) | {b: a for a, b in pairs}

    @cached_property
    def _train_items(self) -> dict[str, Lazy[Any]]:
        """Training items of each domain, at most ``MOST_FITTED``."""
        items = {}
        for name, domain in self._collections.domains.items():
            files = list(domain.train)
            if len(files) > MOST_FITTED:
                chosen = numpy_generator(self._seed, "fitted", name).permutation(len(files))
                files = [files[index] for index in sorted(chosen[:MOST_FITTED])]
            # Bad training files were named when the data was read.
            items[name] = self._items(self._readable(files, name, lambda _: None), name)
        return items

    def _items(self, files: Sequence[Path], domain: str) -> Lazy[Any]:
        return items_of(files, lambda file: self._codec.load_for(file, domain))

    def _loaded(self, files: Iterable[tuple[Path, str]]) -> Iterator[Any]:
        """Files, each with its domain, as items."""
        return (self._codec.load_for(file, domain) for file, domain in files)

    def _readable(
        self, files: Sequence[Path], domain: str, warn: Callable[[str], None]
    ) -> list[Path]:
        good, bad = [], []
        for file in files:
            try:
                load_file(self._codec, file, domain)
            except BadSample as error:
                bad.append(error)
            else:
                good.append(file)
        if bad:
            warn(f"skipped {len(bad)} of {len(files)} test files: {list_bad(bad)}")
        return good


def translated(
    translator: Translator, files: Sequence[Path], direction: Direction
) -> Iterator[Any]:
    """Each file's translation; the files have been read before, so a bad one is an error."""
    for _, outcome in translator.files(files, direction):
        if isinstance(outcome, BadSample):
            raise outcome
        yield outcome


def best_figure(
    report: Mapping[str, Figures], best: BestSettings, metrics: Sequence[Metric]
) -> tuple[str, float, bool] | None:
    """The figure that decides which checkpoint is best: name, value, whether higher is better.

    Returns ``None`` where the report has no such figure.
    """
    ways = _ways(metrics)
    name = best.metric or next(iter(ways), "")
    directions = list(report) if best.direction == "both" else [best.direction]
    values = [report[d][name] for d in directions if name in report.get(d, {})]
    if not values or name not in ways:
        return None
    return name, sum(values) / len(values), ways[name]


def _ways(metrics: Sequence[Metric]) -> dict[str, bool]:
    return {name: higher for metric in metrics for name, higher in metric.higher_is_better.items()}


def both_ways(report: Mapping[str, Figures]) -> Figures:
    """Each figure that all directions have, averaged over them."""
    first, *others = report.values() or ({},)
    shared = [name for name in first if all(name in figures for figures in others)]
    return {name: sum(f[name] for f in report.values()) / len(report) for name in shared}


def evaluate_run(opened: OpenRun, data: Path | None, warn: Callable[[str], None]) -> dict[str, Any]:
    """Measure an open run on its test set, or on that of ``data``, beside baselines.

    Returns:
        ``{"checkpoint", "step", "a2b": {...}, "b2a": {...}, "both": {...}, "baselines": {name:
        {...}}, "higher_is_better": {...}, "test_items": {...}}``, which is also written into the
        run directory; ``both`` is the directions' mean.

    Raises:
        DataError: If a domain has no test files.
    """
    model, run = opened.model, opened.run
    settings = model.recipe.data if data is None else DataSettings(root=str(data))
    made = made_root(settings, model.modality, model.codec, run.data)
    collections = find_collections(settings, made)
    judge = Judge(model, collections, model.recipe.train.seed, warn, run.folder / "metrics")
    judge.require_test_set()
    scored = judge.score(opened.translator)
    other = f"-{data.resolve().name}" if data is not None else ""
    return keep_evaluation(run, opened.checkpoint, scored, judge, other)


def keep_evaluation(
    run: RunLayout,
    checkpoint: Checkpoint,
    scored: Mapping[str, Figures],
    judge: Judge,
    other: str = "",
) -> dict[str, Any]:
    """Measure baselines beside a checkpoint's figures and write both into the run.

    Args:
        run: The run.
        checkpoint: The one that was scored.
        scored: Its figures by direction.
        judge: Scored it.
        other: Ends the file's name where the test set is not the run's own.

    Returns:
        What ``evaluate_run`` returns.
    """
    baselines = judge.score_baselines()
    report = {
        "checkpoint": checkpoint.folder.name,
        "step": checkpoint.step,
        **scored,
        "both": both_ways(scored),
        "baselines": {name: {**of, "both": both_ways(of)} for name, of in baselines.items()},
        "higher_is_better": judge.higher_is_better,
        "test_items": judge.test_items,
    }
    run.evaluations.mkdir(exist_ok=True)
    replace_text(run.evaluations / f"{checkpoint.folder.name}{other}.json", to_json(report))
    return report
