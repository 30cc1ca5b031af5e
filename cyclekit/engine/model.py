"""A recipe made real: codec, objective and networks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cyclekit.contract import DOMAINS, Codec, Modality, Network, TensorSpec
from cyclekit.describe import describe_exception
from cyclekit.engine.cycle import CycleObjective
from cyclekit.engine.objective import Direction, Objective
from cyclekit.errors import CyclekitError, PluginError, UsageError, suggest
from cyclekit.nets.recompute import spare_memory
from cyclekit.randomness import derive_seed
from cyclekit.recipe.settings import Recipe


@dataclass(frozen=True)
class Model:
    """Everything that is built from a recipe before data is seen.

    Attributes:
        modality: The plugin's.
        recipe: The resolved recipe.
        codec: One for both domains.
        objective: Computes the losses.
        networks: By the objective's names.
        lacking: Networks without weights, as where only one generator was imported.
    """

    modality: Modality
    recipe: Recipe
    codec: Codec[Any]
    objective: Objective
    networks: dict[str, nn.Module]
    lacking: frozenset[str] = frozenset()

    @property
    def directions(self) -> dict[str, Direction]:
        """Translations by name, those that can be done."""
        ways = self.objective.directions
        return {way.name: way for way in ways if way.network not in self.lacking}

    def direction(self, name: str) -> Direction:
        """The translation called ``name``.

        Raises:
            UsageError: If there is none.
        """
        if name not in self.directions:
            raise UsageError(f"No direction {name!r}. {suggest(name, self.directions)}")
        return self.directions[name]

    def reverse(self, direction: Direction) -> Direction | None:
        """The way back, where there is one."""
        ways = self.directions.values()
        return next((way for way in ways if way.ends == direction.ends[::-1]), None)

    @property
    def translators(self) -> dict[str, nn.Module]:
        """The networks that translate, without the ones that only judge."""
        names = {direction.network for direction in self.directions.values()}
        return {name: network for name, network in self.networks.items() if name in names}


def build_model(modality: Modality, recipe: Recipe, rank: int = 0) -> Model:
    """Build what ``recipe`` describes; the same seed gives the same weights.

    Raises:
        PluginError: If the plugin's code fails; names the place.
    """
    codec = build_codec(modality, recipe)
    specs: dict[str, TensorSpec] = _guarded(
        modality, "codec.spec", lambda: {domain: codec.spec(domain) for domain in DOMAINS}
    )
    objective = (modality.objective or CycleObjective)(
        recipe.objective, specs, recipe.history.size, recipe.train.seed, rank
    )
    networks = objective.networks(_RecipeNetworks(modality, recipe))
    for network in networks.values():
        network.requires_grad_(True)
        if recipe.train.memory == "low":
            spare_memory(network)
    return Model(modality, recipe, codec, objective, networks)


def build_codec(modality: Modality, recipe: Recipe) -> Codec[Any]:
    """A codec with the recipe's options, which has seen no data."""
    codec: Codec[Any] = _guarded(modality, "codec", lambda: modality.codec(recipe.codec))
    if not hasattr(codec, "options"):
        raise PluginError(
            f"{modality.codec.__name__}.__init__ must call super().__init__(options)."
        )
    return codec


class _RecipeNetworks:
    """Builds the architectures that the recipe names, each from a seed of its own."""

    def __init__(self, modality: Modality, recipe: Recipe) -> None:
        self._modality = modality
        self._recipe = recipe
        self._built = 0

    def generator(self, source: TensorSpec, target: TensorSpec) -> nn.Module:
        return self._build(self._modality.generators, self._recipe.generator, source, target)

    def discriminator(self, source: TensorSpec) -> nn.Module:
        chosen = self._recipe.discriminator
        return self._build(self._modality.discriminators, chosen, source, source.logits())

    def _build(
        self, networks: Any, options: Any, source: TensorSpec, target: TensorSpec
    ) -> nn.Module:
        network: Network = next(n for n in networks if n.name == options.name)
        self._built += 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self._recipe.train.seed, "network", self._built))
            made: nn.Module = _guarded(
                self._modality, network.name, lambda: network.build(source, target, options)
            )
        return made


def _guarded(modality: Modality, place: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except CyclekitError:
        raise
    except Exception as error:
        raise PluginError(
            f"Plugin {modality.name!r} failed to make {place}: {describe_exception(error)}"
        ) from error
