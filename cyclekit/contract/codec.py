"""How files become items, items become tensors, and tensors become files again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic

import torch
from torch import Tensor

from cyclekit.contract.options import Options
from cyclekit.contract.portable import Portable
from cyclekit.contract.previews import Media, PreviewRow
from cyclekit.contract.sequence import ItemSequence
from cyclekit.contract.tensors import Item, Sample, TensorSpec
from cyclekit.errors import BadSample


class Codec(ABC, Generic[Item]):
    """Files <-> items <-> tensors for all domains of a run.

    A codec is made once per run from its validated ``Options``. Whole items of any size go through
    ``encode``; padding, tiling and joining are the engine's work. Only the abstract methods must
    be written. Whoever writes an ``__init__`` of their own calls ``super().__init__(options)``.

    Attributes:
        Options: The class of the recipe's ``[codec]`` table, where there are settings.
        options: The validated settings of this run.
        device: Where ``decode`` may do heavy work; the engine sets it. Items are on the CPU.
        suffixes: Of the files that are samples, a frozenset of lower-case suffixes with their dots,
            such as ``{".png", ".jpg"}``; empty: every file in a data folder is one.
        usual_suffixes: Of these, a tuple of those that messages name; empty: the first by letter.
        formats: What ``save_as`` can be asked for, a tuple of names, the default first; empty:
            nothing.
        sequence_suffixes: Of the files that ``sequence`` opens, as ``suffixes``; empty: there are
            none.
    """

    Options: ClassVar[type[Options]] = Options
    """Settings of the recipe's ``[codec]`` table."""

    device: torch.device = torch.device("cpu")
    """Where ``decode`` may do heavy work; the engine sets it. Items are on the CPU."""

    suffixes: ClassVar[frozenset[str]] = frozenset()
    """Of the files that are samples, as ``{".png", ".jpg"}``; empty: every file is one."""

    usual_suffixes: ClassVar[tuple[str, ...]] = ()
    """Of ``suffixes``, those that messages name; empty: the first ones by letter."""

    formats: ClassVar[tuple[str, ...]] = ()
    """What ``save_as`` can be asked for, as ``("same", "png")``, the default first; empty: nothing.
    """

    sequence_suffixes: ClassVar[frozenset[str]] = frozenset()
    """Of the files that ``sequence`` opens, as ``{".mp4"}``; empty: there are none."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @property
    def joint(self) -> bool:
        """Whether each file holds a sample of every domain, as photo and drawing side by side.
        By default: no. ``load_for`` then takes out a domain's, and training files are in
        ``train``."""
        return False

    def recognises(self, head: bytes) -> bool:
        """Whether a file is a sample though its suffix is none of ``suffixes``, by its first 512
        bytes. By default: no. What is no sample is passed over, and counted by kind."""
        return False

    def recognises_sequence(self, head: bytes) -> bool:
        """Whether ``sequence`` opens a file though its suffix is none of ``sequence_suffixes``, by
        its first 512 bytes. By default: no."""
        return False

    @abstractmethod
    def spec(self, domain: str) -> TensorSpec:
        """The tensors that networks see in ``domain`` (after ``to_network``)."""

    @abstractmethod
    def load(self, path: Path) -> Item:
        """Read a file. Raises ``BadSample(path, why)`` for anything that cannot be used."""

    def load_for(self, path: Path, domain: str) -> Item:
        """Read a file of ``domain``, or of ``"extra"``. By default: ``load``; override it where the
        domains' items differ and a file does not say which it is, as in the number of channels."""
        return self.load(path)

    def load_input(self, path: Path, domain: str) -> Item:
        """Read a file to translate. By default: ``load_for``; override it where that refuses what
        nothing can be learned from, and which yet has a translation, such as silence."""
        return self.load_for(path, domain)

    def sequence(self, path: Path, domain: str) -> ItemSequence[Item]:
        """Open a file of many items of ``domain``, to be translated. Raises ``BadSample``. By
        default: there are no such files; whoever reads some names ``sequence_suffixes``, too."""
        raise BadSample(path, "is no sequence of items")

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
        """Write a translation for a person, who may have asked for one of ``formats``. By default:
        ``save``. What could not be kept is warned of (``warnings.warn``), in the same words for
        every file that it concerns."""
        return self.save(item, path)

    def side_by_side(self, items: Sequence[Item]) -> Item | None:
        """Items as one that shows them all, for ``save_as``: a source, its translation, and what
        comes back where that was asked for. By default: ``None``, there is no such thing."""
        return None

    def read_back(self, path: Path) -> Item:
        """Read a file that ``save`` wrote. By default: ``load``; override it where that refuses
        what a translation may be, such as music without a note."""
        return self.load(path)

    def windows(self, sample: Sample) -> Sequence[Sample]:
        """The parts of an encoded item that training draws from. By default: the whole."""
        return [sample]

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        """Vary a window for training, all chance from ``rng``. By default: unchanged.

        The engine may call it from several threads at once.
        """
        return tensor

    def fit(self, domain: str, windows: Sequence[Sample]) -> None:
        """Learn per-domain statistics from the training windows. By default: none."""

    def remarks(self, facts: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
        """What a person should hear before training, and after translating, a sentence each.
        By default: nothing.

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
        """``(batch, channels, *sizes)`` as cached -> as networks see it. By default: as float."""
        return tensor.float()

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        """The inverse of ``to_network``. By default: unchanged."""
        return tensor

    def portable(self, source: str, target: str) -> Portable:
        """What others must know and run to feed an exported network. By default: only its tensors.

        Args:
            source: Domain of what goes in.
            target: Domain of what comes out.
        """
        return Portable()

    def render(self, rows: Sequence[PreviewRow[Item]], folder: Path) -> list[Media]:
        """Write previews that a person can look at or listen to. By default: save every item."""
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
