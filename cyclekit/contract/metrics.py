"""What judges translations: metrics, the baselines beside them, and what both are shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import Item


@dataclass(frozen=True)
class Translations(Generic[Item]):
    """What one direction of translation wrote, read back from its files: what metrics judge.

    Attributes:
        source: Domain of the inputs.
        target: Domain of the outputs.
        inputs: Test items of the source domain; where some are paired, the paired ones alone.
        outputs: Their translations, in the same order.
        cycled: The translations translated back, in the same order; empty for baselines.
        truths: Items of the target domain that the outputs should equal; empty without pairs.
        targets: All test items of the target domain. In the row ``real`` of ``evaluate``, where
            they are themselves the outputs: as many training items.
        options: What ``cyclekit evaluate --set metrics.KEY=VALUE`` said, as the modality's
            ``metric_options``.
        input_files: Files of the inputs, in the same order, for judges that read files themselves;
            empty in the row ``real``, whose outputs were not made of its inputs.
        output_files: Files of the outputs, likewise.
    """

    source: str
    target: str
    inputs: Sequence[Item]
    outputs: Sequence[Item]
    cycled: Sequence[Item]
    truths: Sequence[Item]
    targets: Sequence[Item]
    options: Any = field(default_factory=Options)
    input_files: Sequence[Path] = ()
    output_files: Sequence[Path] = ()


@dataclass(frozen=True)
class Estimate:
    """A figure of all items together, such as a distance of two collections, and how sure it is.

    Attributes:
        value: The figure.
        low: Lower end of a 95 % interval over items.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __float__(self) -> float:
        return float(self.value)


@dataclass(frozen=True)
class Metric:
    """A measure of translations.

    Attributes:
        name: For messages.
        higher_is_better: Figures of ``score`` that may decide which checkpoint is best, and which
            way is better. Others, such as a ratio that should be near 1, are only reported.
        score: ``(translations, fitted) -> {figure: value}``: a number, or a list of one for each of
            the items, in their order, NaN where an item has none: their mean is the figure, and
            they say how sure it is; or an ``Estimate``, which says so itself. Nothing where what it
            needs is not installed, of which it warns.
        needs_pairs: Call it only on items whose true counterpart is known.
        needs_cycle: Call it only where cycled items exist (baselines have none).
        fit: ``(items, seed, cache) -> fitted``: what must be learned or computed once from training
            items, which are given by domain, before scoring; ``cache`` is a folder of its own.
        costly: Leave it to ``cyclekit evaluate``; while training it is called only where
            ``train.best.metric`` is one of its figures.
        protocol: One line for readers of its figures: of what, how and by whom they are computed.
        pretrained: Names of other people's trained networks that it looks through, if any.
    """

    name: str
    higher_is_better: Mapping[str, bool]
    score: Callable[[Translations[Any], Any], Mapping[str, float | Sequence[float] | Estimate]]
    needs_pairs: bool = False
    needs_cycle: bool = False
    fit: Callable[[Mapping[str, Sequence[Any]], int, Path], Any] | None = None
    costly: bool = False
    protocol: str = ""
    pretrained: tuple[str, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """A translation that needs no GAN, shown beside every figure.

    Attributes:
        name: Key in the report.
        fit: ``(source_train, target_train) -> (item -> item)``, from unpaired training items.
        equal_channels: Whether it makes sense only where all domains have as many channels.
    """

    name: str
    fit: Callable[[Sequence[Any], Sequence[Any]], Callable[[Any], Any]]
    equal_channels: bool = False


def identity_baseline() -> Baseline:
    """Return the input as it is: the figure that a translation has to beat."""
    return Baseline("identity", lambda _source, _target: lambda item: item, equal_channels=True)
