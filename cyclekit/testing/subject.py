"""What checks look at: a modality with a recipe and a few of its files."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.contract.modality import Modality
from cyclekit.contract.tensors import Sample
from cyclekit.data.counterparts import tied_streams
from cyclekit.data.folders import find_collections, found_domains
from cyclekit.data.sampling import Batches
from cyclekit.data.windows import Window
from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.model import build_codec, build_model, domains_of
from cyclekit.engine.trainer import Trainer
from cyclekit.plugins.discovery import PluginInfo
from cyclekit.preparing.planning import with_domains
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import Layers, read_layers
from cyclekit.recipe.resolve import resolve
from cyclekit.recipe.settings import DataSettings, Recipe
from cyclekit.testing.faults import calling, require

FILES = 3  # of each domain
DEMO = "demo"


@dataclass
class Subject:
    """A modality under examination; what one check made, later ones use.

    Attributes:
        modality: As it was offered.
        info: Where it was found; ``None`` for a modality that was passed as an object.
        data: Folder with a training folder for each domain; ``None`` for the modality's own data.
        folder: For whatever checks write.
        objective: Name of the one to try; ``None`` for the recipe's.
        files: Some training files of each domain.
        items: What they hold.
        samples: Encoded.
        windows: Of all samples.
    """

    modality: Modality
    info: PluginInfo | None
    data: Path | None
    folder: Path
    objective: str | None = None
    files: dict[str, list[Path]] = field(default_factory=dict)
    items: dict[str, list[Any]] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    windows: dict[str, list[Sample]] = field(default_factory=dict)

    @cached_property
    def written(self) -> Recipe:
        """The plugin's own ``demo`` where it has one, else the defaults."""
        recipes = find_recipes(self.info) if self.info else {}
        if DEMO in recipes:
            layers = read_layers(recipes[DEMO], self.info)
        else:
            layers = Layers({"plugin": self.modality.name})
        layers.table |= {"plugin": self.modality.name, "extensions": []}
        if self.objective is not None:
            layers.lay([("objective.name", self.objective, "--objective")])
        recipe = resolve(layers, self.modality)
        return with_domains(
            recipe, self.modality, lambda: found_domains(DataSettings(root=str(self.root)))
        )

    @cached_property
    def recipe(self) -> Recipe:
        """``written`` with one sample in a step."""
        train = self.written.train.model_copy(update={"batch_size": 1, "accumulate": 1, "steps": 2})
        return self.written.model_copy(update={"train": train})

    @cached_property
    def codec(self) -> Codec[Any]:
        """A codec with the recipe's options."""
        return self.new_codec()

    def new_codec(self) -> Codec[Any]:
        """Another codec that has seen no data."""
        return build_codec(self.modality, self.recipe)

    @cached_property
    def domains(self) -> list[str]:
        """The objective's domains."""
        return domains_of(self.modality, self.recipe)

    @property
    def first(self) -> str:
        """One of the domains, where any will do."""
        return self.domains[0]

    @property
    def built_in(self) -> str | None:
        """The name of the data that the plugin makes itself, where that is looked at."""
        return None if self.data else next(iter(self.modality.datasets), None)

    def find_files(self) -> None:
        """Look for training files, or have the plugin make some."""
        self.files = self.files_in(self.root)

    @cached_property
    def root(self) -> Path:
        """The folder of the data that is looked at, made if it has to be."""
        require(
            self.data is not None or self.built_in is not None,
            f"There is nothing to look at: pass a folder with trainA and so on (data=..., --data "
            f"DIR), or offer data that the plugin makes itself as Modality.datasets = "
            f"{{{DEMO!r}: make}}.",
        )
        return self.data or self.make_data(self.built_in or "", "data")

    def files_in(self, root: Path) -> dict[str, list[Path]]:
        """The first training files of each domain, of such names as all have where pairs are."""
        found = find_collections(DataSettings(root=str(root)), self.domains, self.codec).domains
        return {name: list(domain.train[:FILES]) for name, domain in found.items()}

    def make_data(self, name: str, folder: str) -> Path:
        """Have the plugin make its data."""
        made = self.folder / folder
        made.mkdir()
        with calling(f"Built-in data {name!r}"):
            self.modality.datasets[name](made, 0)
        return made

    def augmented(self, domain: str, window: Sample, seed: int = 0) -> Tensor:
        """One window as training sees it, before ``to_network``."""
        return self.codec.augment(window.tensor, domain, torch.Generator().manual_seed(seed))

    def batch(self, domain: str, tensor: Tensor) -> Tensor:
        """A tensor as networks see it, in a batch of one."""
        return self.codec.to_network(tensor[None], domain)

    def window(self, domain: str) -> Tensor:
        """The first training window as networks see it, with zeros in its gaps."""
        window = self.augmented(domain, self.windows[domain][0])
        return self.batch(domain, window).nan_to_num(nan=0.0)

    @cached_property
    def fabric(self) -> Fabric:
        """The CPU."""
        return start_fabric(Hardware(accelerator="cpu"), "32-true")

    @cached_property
    def trainer(self) -> Trainer:
        """A trainer of the recipe's networks on the windows."""
        return self.new_trainer()

    def new_trainer(self) -> Trainer:
        """Another trainer, at step 0."""
        model = build_model(self.modality, self.recipe)
        for domain in self.domains:
            model.codec.fit(domain, self.windows[domain])
        streams = model.objective.streams
        windows: dict[str, list[Window]] = {
            name: [
                Window(sample, domain)
                for domain in stream.domains
                for sample in self.windows.get(domain, ())
            ]
            for name, stream in streams.items()
        }
        for leader, followers in tied_streams(streams).items():
            # The first of each will do for pairs, whatever the files are called.
            count = min(len(windows[name]) for name in (leader, *followers))
            windows |= {name: windows[name][:count] for name in (leader, *followers)}
        batches = Batches(model.codec, windows, streams, seed=0, batch_size=1)
        return Trainer(self.fabric, model, batches)
