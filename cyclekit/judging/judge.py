"""Scores of what translation would write, on the test set, beside baselines and real items."""

import filecmp
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from cyclekit.contract.deciding import PATCH_DISTANCE
from cyclekit.contract.declarations import Direction
from cyclekit.contract.metrics import Baseline, Metric, Translations, identity_baseline
from cyclekit.contract.options import Options
from cyclekit.data.encoded import encode_file, guarded
from cyclekit.data.folders import Collections
from cyclekit.data.lazy import Lazy
from cyclekit.describe import describe_exception
from cyclekit.engine.model import Model
from cyclekit.engine.translator import Translator
from cyclekit.errors import BadSample, CyclekitError
from cyclekit.judging import codes
from cyclekit.judging.classifier_metric import classifier_metric
from cyclekit.judging.evidence import Evidence, items_of
from cyclekit.judging.figures import Scores, ways_to_improve
from cyclekit.judging.patches import patch_metric
from cyclekit.judging.scorer import Scorer
from cyclekit.storage.folder import Storage
from cyclekit.temporary import temporary_folder


class Judge:
    """Scores a model's translations of a test set.

    Args:
        model: Codec, metrics and baselines.
        collections: Test files, and training files to fit on.
        warn: Told of bad files and failing metrics.
        cache: Folder in which metrics keep what they learned.
        limit: Test items of each domain, 0 for all.
        thorough: Call costly metrics and the classifier too.
        options: Settings of the metrics; default: the modality's defaults.
        say: Told what is being done, where that takes its time.
        track: ``(iterable, total, what) -> iterable`` that shows progress.

    Attributes:
        seed: The run's; everything random follows from it.
        evidence: The files that are judged, and those to fit on.
    """

    def __init__(
        self,
        model: Model,
        collections: Collections,
        warn: Callable[[str], None],
        cache: Storage,
        *,
        limit: int = 0,
        thorough: bool = False,
        options: Options | None = None,
        say: Callable[[str], None] = lambda _: None,
        track: Callable[[Iterable[Any], int, str], Iterable[Any]] = lambda things, *_: things,
    ) -> None:
        self._say = say
        self._track = track
        self._model = model
        self._codec = model.codec
        self.seed = model.recipe.train.seed
        self._warn = warn
        self._cache = cache
        self._thorough = thorough
        self._options = options or model.modality.metric_options()
        self.evidence = Evidence(model.codec, collections, self.seed, warn, limit)

    @property
    def metrics(self) -> Sequence[Metric]:
        """Those that are called, the modality's first."""
        return self._scorer.metrics

    @property
    def higher_is_better(self) -> dict[str, bool]:
        """Which way each figure improves; those that say neither are missing."""
        coded = codes.HIGHER_IS_BETTER if self._takes_codes else {}
        return ways_to_improve(self._scorer.metrics) | coded

    @property
    def protocol(self) -> dict[str, str]:
        """How the figures were computed that have been so far: a line by metric."""
        return self._scorer.protocol | ({"codes": codes.PROTOCOL} if self._takes_codes else {})

    def expect(self, scores: int) -> None:
        """Say that ``score`` is called so many times, then everything else: tells the time left."""
        rows = len(self._baselines) + self.evidence.has_pairs + 1  # codec, real items
        self._scorer.to_come = len(self._model.directions) * (scores + rows)

    def score(self, translator: Translator) -> dict[str, Scores]:
        """Figures by direction."""
        scored = {}
        for name, direction in self._model.directions.items():
            back = self._model.reverse(direction)
            tests = self.evidence.tests[direction.source]
            with temporary_folder() as folder:
                items: Iterable[Any] = translated(translator, tests, direction)
                there = self._write(folder / "there", self._track(items, len(tests), name))
                items = self._returned(translator, there, back, tests)
                if back:
                    items = self._track(items, len(tests), f"{name}, and back")
                cycled = self._write(folder / "back", items)
                scored[name] = self._measure(direction, there, cycled)
            if self._model.objective.code(direction) is not None:
                self._say(f"measuring codes, {name}")
                files = self.evidence.tests
                figures = codes.code_figures(self._model, translator, direction, files)
                scored[name].figures.update(figures)
        return scored

    @property
    def _takes_codes(self) -> bool:
        """Whether a direction has many answers."""
        ways = self._model.directions.values()
        return not self._model.objective.attributes and any(
            self._model.objective.code(direction) is not None for direction in ways
        )

    @cached_property
    def baseline_scores(self) -> dict[str, dict[str, Scores]]:
        """Figures by baseline and direction; one that fails or does not apply is left out.

        ``codec``, where the test set is paired, is the truth encoded and decoded: what a perfect
        generator would score. A direction in which the codec loses nothing has no figures.
        """
        rows = {"codec": self._score_codec} if self.evidence.has_pairs else {}
        for baseline in self._baselines:
            rows[baseline.name] = partial(self._score_baseline, baseline)
        scored = {}
        for place, (name, score) in enumerate(rows.items()):
            self._scorer.to_come = len(self._model.directions) * (len(rows) - place + 1)
            self._say(f"another way to translate: {name}")
            try:
                scored[name] = score()
            except CyclekitError:
                raise
            except Exception as error:
                self._warn(f"baseline {name!r} failed: {describe_exception(error)}")
        return {name: scores for name, scores in scored.items() if scores}

    @cached_property
    def real_scores(self) -> dict[str, Scores]:
        """Figures of the target's real test items in the place of translations, by direction.

        They are compared with as many training items of the target: the floor, or the ceiling, of
        whatever needs neither pairs nor a way back. Empty where there is no such metric.
        """
        scored = {}
        self._scorer.to_come = len(self._model.directions)
        for name, direction in self._model.directions.items():
            tests = self.evidence.test_items
            inputs, outputs = tests[direction.source], tests[direction.target]
            count = min(len(inputs), len(outputs))
            shown = Translations(
                source=direction.source,
                target=direction.target,
                inputs=inputs[:count],
                outputs=outputs[:count],
                cycled=[],
                truths=[],
                targets=self.evidence.train_samples[direction.target],
                options=self._options,
            )
            scored[name] = self._scorer.measure(shown)
        return scored if any(scores.figures for scores in scored.values()) else {}

    @cached_property
    def _scorer(self) -> Scorer:
        best = self._model.recipe.train.best.metric
        metrics = [
            metric
            for metric in self._model.modality.metrics
            if self._thorough or not metric.costly or best in metric.higher_is_better
        ]
        if not metrics or not self.evidence.has_pairs or best == PATCH_DISTANCE:
            metrics.append(patch_metric(self._model, self.seed))
        if self._thorough and self._same_channels:
            metrics.append(classifier_metric(self._model, self.evidence))
        elif self._thorough:
            self._warn("left out the classifier of domains: for domains with as many channels")
        self._doubt_shared(metrics)
        return Scorer(metrics, self.evidence, self.seed, self._cache, self._warn, self._say)

    def _doubt_shared(self, metrics: Sequence[Metric]) -> None:
        """Warn of figures that a discriminator was trained to lower (arXiv 2203.06026)."""
        named = self._model.recipe.discriminator.name
        networks = self._model.modality.discriminators
        seen = {eye for network in networks if network.name == named for eye in network.pretrained}
        shared = [metric for metric in metrics if seen.intersection(metric.pretrained)]
        if not shared:
            return
        figures = [figure for metric in shared for figure in metric.higher_is_better]
        eyes = sorted({eye for metric in shared for eye in seen.intersection(metric.pretrained)})
        self._warn(
            f"{' and '.join(figures)} look through {' and '.join(eyes)}, as this run's "
            f"discriminator {named!r} does, and flatter what it made: go by kid_classifier, "
            f"taken_for_target and, on pairs, by distances to the truth"
        )

    @property
    def _same_channels(self) -> bool:
        specs = self._model.objective.specs.values()
        return len({(spec.channels, spec.dims) for spec in specs}) == 1

    @cached_property
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

    def _score_codec(self) -> dict[str, Scores]:
        scored = {}
        for name, direction in self._model.directions.items():
            # Items without a counterpart hold their own place; nobody judges them.
            twins = self.evidence.twins(*direction.ends)
            wanted = [
                (twins[file], direction.target) if file in twins else (file, direction.source)
                for file in self.evidence.tests[direction.source]
            ]
            with temporary_folder() as folder:
                items = (self._codec.load_for(file, domain) for file, domain in wanted)
                truths = self._write(Path(folder, "truths"), items)
                recoded = (self._recoded(file, domain) for file, domain in wanted)
                outputs = self._write(Path(folder, "recoded"), recoded)
                pairs = zip(truths, outputs, strict=True)
                lossless = all(filecmp.cmp(*pair, shallow=False) for pair in pairs)
                scored[name] = Scores() if lossless else self._measure(direction, outputs, [])
        return scored if any(scores.figures for scores in scored.values()) else {}

    def _recoded(self, file: Path, domain: str) -> Any:
        sample = encode_file(self._codec, file, domain)
        return guarded(self._codec, "decode", file, sample.tensor, domain, sample.meta)

    def _score_baseline(self, baseline: Baseline) -> dict[str, Scores]:
        scored = {}
        train = self.evidence.train_items
        for name, direction in self._model.directions.items():
            convert = baseline.fit(train[direction.source], train[direction.target])
            inputs = self.evidence.test_items[direction.source]
            what = f"trying the baseline {baseline.name}, {name}"
            converted = self._track(map(convert, inputs), len(inputs), what)
            with temporary_folder() as folder:
                outputs = self._write(folder / "there", converted)
                scored[name] = self._measure(direction, outputs, [])
        return scored

    def _returned(
        self,
        translator: Translator,
        files: Sequence[Path],
        back: Direction | None,
        sources: Sequence[Path],
    ) -> Iterator[Any]:
        """Translations of sources, as they were written, translated back where there is a way."""
        if back is None:
            return
        for file, source in zip(files, sources, strict=True):
            item = guarded(self._codec, "read_back", file, file)
            yield from translator.items([item], back, [source])

    def _write(self, folder: Path, items: Iterable[Any]) -> list[Path]:
        """Save items as translation would, under running numbers."""
        folder.mkdir()
        return [self._codec.save(item, folder / f"{n:06d}") for n, item in enumerate(items)]

    def _measure(
        self, direction: Direction, outputs: Sequence[Path], cycled: Sequence[Path]
    ) -> Scores:
        """What metrics say; where some items are paired, of the paired ones alone."""
        inputs = self.evidence.tests[direction.source]
        twins = self.evidence.twins(*direction.ends)
        paired = [n for n, file in enumerate(inputs) if file in twins]
        judged = paired or range(len(inputs))

        def written(files: Sequence[Path]) -> Lazy[Any]:
            return items_of([files[n] for n in judged] if files else [], self._codec.read_back)

        shown = Translations(
            source=direction.source,
            target=direction.target,
            inputs=self.evidence.items([inputs[n] for n in judged], direction.source),
            outputs=written(outputs),
            cycled=written(cycled),
            truths=self.evidence.truths(*direction.ends),
            targets=self.evidence.test_items[direction.target],
            options=self._options,
            input_files=[inputs[n] for n in judged],
            output_files=[outputs[n] for n in judged],
        )
        return self._scorer.measure(shown, [inputs[n].name for n in judged])


def translated(
    translator: Translator, files: Sequence[Path], direction: Direction
) -> Iterator[Any]:
    """Each file's translation; the files have been read before, so a bad one is an error."""
    for _, outcome in translator.files(files, direction):
        if isinstance(outcome, BadSample):
            raise outcome
        yield outcome
