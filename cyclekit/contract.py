"""What a modality is made of: the types that a plugin fills in and the engine relies on."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from cyclekit.names import heading

if TYPE_CHECKING:
    from cyclekit.engine.objective import Objective

Item = TypeVar("Item")
"""What a file holds once it is read: a PIL picture, a waveform, a MIDI object."""


class Options(BaseModel):
    """Base of every settings table. An unknown key is an error; docstrings become descriptions."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )


@dataclass(frozen=True)
class RunsCode:
    """Marks a setting that names a file whose loading runs code from it, such as TorchScript.

    ``file: Annotated[str, RunsCode()] = ""``. The file is loaded where a person named it; where a
    run or a recipe alone names it, training and translation end with the option that would.
    """


@dataclass(frozen=True)
class TensorSpec:
    """The shape and range of one tensor, batch axis left out.

    Attributes:
        channels: Size of the first axis.
        sizes: Size of each further axis; ``None`` where any length will do. Longer items are
            translated in tiles of a fixed size.
        multiple_of: What each further axis must be divisible by; empty means 1 everywhere.
        range: Smallest and largest value, or ``None`` for unbounded (log-mel spectrograms, logits).
        tiles: The most of each further axis that goes through a network at once; what is longer is
            translated in tiles that overlap. ``None``, or empty for all: the whole.
        gaps: Whether samples may hold NaN where nothing is known. Networks see zeros there and L1
            terms look away; in a translation there are numbers. Without it a NaN is an error.
    """

    channels: int
    sizes: tuple[int | None, ...]
    multiple_of: tuple[int, ...] = ()
    range: tuple[float, float] | None = (-1.0, 1.0)
    tiles: tuple[int | None, ...] = ()
    gaps: bool = False

    @property
    def dims(self) -> int:
        """How many axes follow the channels: 1, 2 or 3."""
        return len(self.sizes)

    def logits(self) -> "TensorSpec":
        """What a discriminator of such tensors returns: one unbounded channel of any size."""
        return TensorSpec(channels=1, sizes=(None,) * self.dims, range=None)


@dataclass
class Sample:
    """An encoded item.

    Attributes:
        tensor: ``(channels, *sizes)`` of any dtype; compact ones (uint8) take little memory.
        meta: What ``decode`` needs besides the tensor. Plain JSON values and arrays only.
        facts: What was noticed while encoding a file, as numbers: a person sees their means over
            each domain before training, and every file's own in the run's ``files.jsonl``.
    """

    tensor: Tensor
    meta: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Media:
    """A preview that ``Codec.render`` wrote; the engine routes it to TensorBoard by its kind.

    Attributes:
        title: Shown above it; stays the same from step to step.
        path: The file for people.
        image: ``(3, height, width)`` uint8, when the preview is a picture.
        audio: ``(samples,)`` float in -1..1, when it is a sound.
        sample_rate: Of ``audio``, in Hz.
    """

    title: str
    path: Path
    image: Tensor | None = None
    audio: Tensor | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class PreviewRow(Generic[Item]):
    """One test item on its way there and back, ready to be shown.

    Attributes:
        name: The file's name without folder, cut where it is very long.
        source: Domain of the real item.
        target: Domain it was translated to.
        real: The item as it was read.
        translated: The generator's output.
        cycled: The output translated back; ``None`` where there is no way back.
        truth: The item's twin in the target domain, where the test set is paired.
    """

    name: str
    source: str
    target: str
    real: Item
    translated: Item
    cycled: Item | None
    truth: Item | None = None

    @property
    def labelled(self) -> dict[str, Item]:
        """What there is to see, under headings such as "real A", "A to B", "A to B to A"."""
        a, b = heading(self.source), heading(self.target)
        items = {
            f"real {a}": self.real,
            f"{a} to {b}": self.translated,
            f"{a} to {b} to {a}": self.cycled,
            f"truth {b}": self.truth,
        }
        return {heading: item for heading, item in items.items() if item is not None}


@dataclass(frozen=True)
class Portable:
    """How an exported network is used where neither torch nor cyclekit is installed.

    Attributes:
        axes: Names of the axes that follow the channels, such as ``("height", "width")``.
        input: How what a file holds becomes what the network takes, in sentences.
        output: How what the network gives becomes such a thing again.
        settings: What ``script`` must know besides; JSON values. They travel in the file.
        script: A Python program, ``python SCRIPT MODEL INPUT OUTPUT``, that translates one file.
        modules: Sources of the plugin's modules that it imports, by their names, without torch or
            cyclekit: they are written into it, so that it needs no plugin either.
        whole: Whether samples are pictures, ``(channels, height, width)`` uint8, for which
            ``from_network`` gives 0..1: a single graph can then take and give files' own values.
    """

    axes: tuple[str, ...] = ()
    input: str = ""
    output: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""
    modules: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False


class Codec(ABC, Generic[Item]):
    """Files <-> items <-> tensors for all domains of a run.

    A codec is made once per run from its validated ``Options``. Whole items of any size go through
    ``encode``; padding, tiling and joining are the engine's work. Only the abstract methods must
    be written. Whoever writes an ``__init__`` of their own calls ``super().__init__(options)``.

    Attributes:
        Options: The class of the recipe's ``[codec]`` table, where there are settings.
        options: The validated settings of this run.
        device: Where ``decode`` may do heavy work; the engine sets it. Items are on the CPU.
        suffixes: Of the files that are samples; empty: every file in a data folder is one.
        formats: What ``save_as`` can be asked for, the default first; empty: nothing.
    """

    Options: ClassVar[type[Options]] = Options
    """Settings of the recipe's ``[codec]`` table."""

    device: torch.device = torch.device("cpu")
    """Where ``decode`` may do heavy work; the engine sets it. Items are on the CPU."""

    suffixes: ClassVar[frozenset[str]] = frozenset()
    """Of the files that are samples, as ``{".png", ".jpg"}``; empty: every file is one."""

    formats: ClassVar[tuple[str, ...]] = ()
    """What ``save_as`` can be asked for, as ``("same", "png")``, the default first; empty: nothing.
    """

    def __init__(self, options: Any) -> None:
        self.options = options

    @property
    def joint(self) -> bool:
        """Whether each file holds a sample of every domain, as photo and drawing side by side.
        Default: no. ``load_for`` then takes out a domain's, and training files are in ``train``."""
        return False

    def recognises(self, head: bytes) -> bool:
        """Whether a file is a sample though its suffix is none of ``suffixes``, by its first 512
        bytes. Default: no. What is no sample is passed over, and counted by kind."""
        return False

    @abstractmethod
    def spec(self, domain: str) -> TensorSpec:
        """The tensors that networks see in ``domain`` (after ``to_network``)."""

    @abstractmethod
    def load(self, path: Path) -> Item:
        """Read a file. Raises ``BadSample(path, why)`` for anything that cannot be used."""

    def load_for(self, path: Path, domain: str) -> Item:
        """Read a file of ``domain``, or of ``"extra"``. Default: ``load``; override it where the
        domains' items differ and a file does not say which it is, as in the number of channels."""
        return self.load(path)

    def load_input(self, path: Path, domain: str) -> Item:
        """Read a file to translate. Default: ``load_for``; override it where that refuses what
        nothing can be learned from, and which yet has a translation, such as silence."""
        return self.load_for(path, domain)

    @abstractmethod
    def encode(self, item: Item, domain: str) -> Sample:
        """Turn a whole item into a tensor; deterministic and free of fitted statistics.

        The engine calls it from several threads at once.
        """

    @abstractmethod
    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Item:
        """Turn a tensor back into an item of ``domain``; ``meta`` is the source sample's."""

    @abstractmethod
    def save(self, item: Item, path: Path) -> Path:
        """Write an item at ``path``, whose suffix may change; return the file written."""

    def save_as(self, item: Item, path: Path, format: str) -> Path:
        """Write a translation for a person, who may have asked for one of ``formats``. Default:
        ``save``. What could not be kept is warned of (``warnings.warn``), in the same words for
        every file that it concerns."""
        return self.save(item, path)

    def side_by_side(self, items: Sequence[Item]) -> Item | None:
        """Items as one that shows them all, for ``save_as``: a source, its translation, and what
        comes back where that was asked for. Default: ``None``, there is no such thing."""
        return None

    def read_back(self, path: Path) -> Item:
        """Read a file that ``save`` wrote. Default: ``load``; override it where that refuses what
        a translation may be, such as music without a note."""
        return self.load(path)

    def windows(self, sample: Sample) -> Sequence[Sample]:
        """The parts of an encoded item that training draws from. Default: the whole."""
        return [sample]

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        """Vary a window for training, all chance from ``rng``. Default: unchanged.

        The engine may call it from several threads at once.
        """
        return tensor

    def fit(self, domain: str, windows: Sequence[Sample]) -> None:
        """Learn per-domain statistics from the training windows. Default: none."""

    def remarks(self, facts: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
        """What a person should hear before training, and after translating, a sentence each.
        Default: nothing.

        Args:
            facts: What ``encode`` noticed, by domain: of every training file, or of every
                translated one.
        """
        return []

    def state_dict(self) -> dict[str, Tensor]:
        """What ``fit`` learned; it travels in the checkpoint."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state_dict`` returned."""

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        """``(batch, channels, *sizes)`` as cached -> as networks see it. Default: as float."""
        return tensor.float()

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        """The inverse of ``to_network``. Default: unchanged."""
        return tensor

    def portable(self, source: str, target: str) -> Portable:
        """What others must know and run to feed an exported network. Default: only its tensors.

        Args:
            source: Domain of what goes in.
            target: Domain of what comes out.
        """
        return Portable()

    def render(self, rows: Sequence[PreviewRow[Item]], folder: Path) -> list[Media]:
        """Write previews that a person can look at or listen to. Default: save every item."""
        for index, row in enumerate(rows):
            name = Path(row.name).stem.replace(
                ".", "_"
            )  # save() may replace what looks like a suffix
            stem = f"{index:02d}-{name}-{row.source}2{row.target}"
            for label in ("real", "translated", "cycled"):
                item = getattr(row, label)
                if item is not None:
                    self.save(item, folder / f"{stem}-{label}")
        return []


@dataclass(frozen=True)
class Network:
    """An architecture that a recipe can name.

    Attributes:
        name: The value of ``generator.name`` or ``discriminator.name``.
        build: ``(source, target, options) -> module``. A generator maps ``source`` to ``target``; a
            discriminator gets ``target = source.logits()``. A generator's module may carry three
            integers. ``multiple_of``: what sizes must divide by; the engine pads to it.
            ``least_multiples``: how many of these an axis needs at least, 4 where it does not say.
            ``reach``: how many positions to each side an output may depend on, while the
            statistics of instance norms are held fixed; never less than the truth.
        options: Settings of the recipe's table besides ``name``.
        summary: One line for listings.
        takes: What objectives may ask of it besides: ``"condition"``, ``"taps"`` (generators),
            ``"classes"`` (discriminators), with the meanings that ``NetworkBuilder`` gives them.
            ``build`` then takes ``condition=size`` or ``classes=count`` where one is asked for;
            ``taps`` are asked for in calls alone.
    """

    name: str
    build: Callable[..., nn.Module]
    options: type[Options] = Options
    summary: str = ""
    takes: tuple[str, ...] = ()


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
    """

    source: str
    target: str
    inputs: Sequence[Item]
    outputs: Sequence[Item]
    cycled: Sequence[Item]
    truths: Sequence[Item]
    targets: Sequence[Item]
    options: Any = field(default_factory=Options)


@dataclass(frozen=True)
class Metric:
    """A measure of translations.

    Attributes:
        name: For messages.
        higher_is_better: Figures of ``score`` that may decide which checkpoint is best, and which
            way is better. Others, such as a ratio that should be near 1, are only reported.
        score: ``(translations, fitted) -> {figure: value}``, plain finite numbers; nothing where
            what it needs is not installed, of which it warns.
        needs_pairs: Call it only on items whose true counterpart is known.
        needs_cycle: Call it only where cycled items exist (baselines have none).
        fit: ``(items, seed, cache) -> fitted``: what must be learned or computed once from training
            items, which are given by domain, before scoring; ``cache`` is a folder of its own.
        costly: Leave it to ``cyclekit evaluate``; while training it is called only where
            ``train.best.metric`` is one of its figures.
        protocol: One line for readers of its figures: of what, how and by whom they are computed.
    """

    name: str
    higher_is_better: Mapping[str, bool]
    score: Callable[[Translations[Any], Any], Mapping[str, float]]
    needs_pairs: bool = False
    needs_cycle: bool = False
    fit: Callable[[Mapping[str, Sequence[Any]], int, Path], Any] | None = None
    costly: bool = False
    protocol: str = ""


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


@dataclass(frozen=True)
class Modality:
    """Everything that the engine needs to train on one kind of data.

    Attributes:
        name: The ``--plugin`` value; the same as the entry point's name.
        api: The contract version the plugin was written for; write the number itself.
        summary: One line for listings.
        codec: The codec class.
        generators: Architectures that ``generator.name`` may choose; the first is the default.
        discriminators: The same for ``discriminator.name``.
        metrics: Measures of translated items.
        baselines: Translations to compare with; ``identity`` is always there.
        objective: Name of the objective that recipes mean which name none.
        objectives: Objectives that ``objective.name`` may choose besides those that the hook
            ``cyclekit_objectives`` brings, cyclekit's own among them.
        datasets: Built-in data: name -> ``make(folder, seed)``, which fills
            ``trainA trainB testA testB`` and can do so again from the same seed.
        corruptions: Ways to spoil an item that training may learn to undo: name ->
            ``spoil(item, rng)``, all chance from ``rng``, a ``numpy.random.Generator``.
        metric_options: Settings of the metrics, for ``cyclekit evaluate --set metrics.KEY=VALUE``
            and nothing else: no recipe and no run holds them, so they may name files that run code.
    """

    name: str
    api: int
    summary: str
    codec: type[Codec[Any]]
    generators: Sequence[Network]
    discriminators: Sequence[Network]
    metrics: Sequence[Metric] = ()
    baselines: Sequence[Baseline] = ()
    objective: str = "cycle"
    objectives: "Sequence[type[Objective]]" = ()
    datasets: Mapping[str, Callable[[Path, int], None]] = field(default_factory=dict)
    corruptions: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    metric_options: type[Options] = Options


def identity_baseline() -> Baseline:
    """Return the input as it is: the figure that a translation has to beat."""
    return Baseline("identity", lambda _source, _target: lambda item: item, equal_channels=True)


def common_multiple(spec: TensorSpec, network: nn.Module) -> tuple[int, ...]:
    """What each axis must divide by so that codec and network are both content."""
    needed = int(getattr(network, "multiple_of", 1))
    return tuple(math.lcm(needed, own) for own in spec.multiple_of or (1,) * spec.dims)
