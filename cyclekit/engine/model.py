"""A recipe made real: codec, objective and networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import nn

from cyclekit.contract.codec import Codec
from cyclekit.contract.declarations import Direction
from cyclekit.contract.modality import Modality
from cyclekit.contract.network import Network
from cyclekit.contract.tensors import TensorSpec
from cyclekit.data.attributes import AttributeTable, attributes_file
from cyclekit.describe import describe_exception
from cyclekit.engine.conditions import require_told
from cyclekit.engine.consistency import require_consistent
from cyclekit.engine.objective import Objective
from cyclekit.errors import CyclekitError, PluginError, RecipeError, UsageError, suggest
from cyclekit.nets.planes import Planes, with_planes
from cyclekit.nets.recompute import spare_memory
from cyclekit.randomness import derive_seed
from cyclekit.recipe.settings import Recipe

Own = TypeVar("Own", bound=nn.Module)

ABILITIES = {
    "taps": "inner features",
    "classes": "logits for whole samples",
}
"""What ``Network.takes`` may name, in words."""


@dataclass(frozen=True)
class Model:
    """Everything that is built from a recipe before data is seen.

    Attributes:
        modality: The plugin's.
        recipe: The resolved recipe.
        codec: One for all domains.
        objective: Computes the losses.
        networks: By the objective's names.
        frozen: Parameters that their network's author wants no gradients of.
        lacking: Networks without weights, as where only one generator was imported.
        table: What is said about files, for an objective that has attributes.
    """

    modality: Modality
    recipe: Recipe
    codec: Codec[Any]
    objective: Objective
    networks: dict[str, nn.Module]
    frozen: tuple[nn.Parameter, ...] = ()
    lacking: frozenset[str] = frozenset()
    table: AttributeTable = field(default=AttributeTable(None))

    @property
    def directions(self) -> dict[str, Direction]:
        """Translations by name, those that can be done."""
        ways = self.objective.directions
        return {way.name: way for way in ways if not self.lacking.intersection(way.networks)}

    def direction(self, name: str | None) -> Direction:
        """The translation called ``name``, or the only one.

        Raises:
            UsageError: If there is none of that name, or several without one.
        """
        if name is None and len(self.directions) == 1:
            (name,) = self.directions
        if name is None:
            raise UsageError(
                f"Say which direction to translate in: {', '.join(self.directions)} "
                f"(--direction NAME)."
            )
        if name not in self.directions:
            raise UsageError(f"No direction {name!r}. {suggest(name, self.directions)}")
        return self.directions[name]

    def reverse(self, direction: Direction) -> Direction | None:
        """The way back, where there is one."""
        if direction.sets:  # samples' own attributes are what they come back to
            source, target = direction.ends
            alias = f"back from {direction.name}"
            return replace(direction, source=target, target=source, alias=alias, sets=())
        ways = self.directions.values()
        return next((way for way in ways if way.ends == direction.ends[::-1]), None)

    def trained(self, name: str) -> list[nn.Parameter]:
        """The parameters of the network called ``name`` that are not frozen."""
        frozen = set(map(id, self.frozen))
        return [p for p in self.networks[name].parameters() if id(p) not in frozen]

    @property
    def translators(self) -> dict[str, nn.Module]:
        """The networks that translate, without the ones that only judge."""
        ways = self.directions.values()
        names = {name for way in ways for name in (*way.networks, *way.coding)} - self.lacking
        return {name: network for name, network in self.networks.items() if name in names}


def build_model(
    modality: Modality, recipe: Recipe, rank: int = 0, *, complete: bool = True
) -> Model:
    """Build what ``recipe`` describes; the same seed gives the same weights.

    Args:
        modality: The plugin's.
        recipe: The resolved recipe.
        rank: Tells equal buffers on several ranks apart.
        complete: Build discriminators, too, that need other people's weights. Whoever only
            translates gets something in their place that judges nothing.

    Raises:
        PluginError: If the plugin's code fails; names the place.
        RecipeError: If the recipe asks for what does not go together.
    """
    codec = build_codec(modality, recipe)
    objective = _objective(modality, recipe, codec, rank)
    what = f"the networks of objective {objective.name!r}"
    build = RecipeNetworks(modality, recipe, complete)
    who = modality.bringer("objectives", objective.name)
    networks = _guarded(who, what, lambda: objective.networks(build))
    require_consistent(objective, networks)
    best = recipe.train.best.direction
    names = [direction.name for direction in objective.directions]
    if best not in ("both", *names):
        raise RecipeError(f"train.best.direction: {best!r} is no direction. {suggest(best, names)}")
    if recipe.train.compile and objective.differentiates_twice:
        raise RecipeError(
            "train.compile does not go together with a penalty on gradients, such as wgan-gp's, r1 "
            "or r2: compiled networks have no second derivatives. Leave one of them out."
        )
    if recipe.train.memory == "low":
        for network in networks.values():
            spare_memory(network)
    parameters = [p for network in networks.values() for p in network.parameters()]
    frozen = tuple(p for p in parameters if not p.requires_grad)
    table = table_of(modality, recipe)
    return Model(modality, recipe, codec, objective, networks, frozen, table=table)


def build_codec(modality: Modality, recipe: Recipe) -> Codec[Any]:
    """A codec with the recipe's options, which has seen no data."""
    who = f"Plugin {modality.name!r}"
    codec: Codec[Any] = _guarded(who, "codec", lambda: modality.codec(recipe.codec))
    if not hasattr(codec, "options"):
        raise PluginError(
            f"{modality.codec.__name__}.__init__ must call super().__init__(options)."
        )
    return codec


def domains_of(modality: Modality, recipe: Recipe) -> list[str]:
    """The objective's domains, which its options alone decide on."""
    return list(_unmade(modality, recipe).domains)


def table_of(modality: Modality, recipe: Recipe) -> AttributeTable:
    """What is said about files, where the objective's options name attributes."""
    names = tuple(_unmade(modality, recipe).attributes)
    return AttributeTable(attributes_file(recipe.data), names)


def _unmade(modality: Modality, recipe: Recipe) -> Objective:
    """An objective that knows its options alone."""
    kind = objective_class(modality, recipe)
    unmade = kind.__new__(kind)
    unmade.options = recipe.objective
    return unmade


def specs_of(modality: Modality, recipe: Recipe) -> Mapping[str, TensorSpec]:
    """The tensors of each domain that a recipe describes."""
    return _objective(modality, recipe, build_codec(modality, recipe), 0).specs


def _objective(modality: Modality, recipe: Recipe, codec: Codec[Any], rank: int) -> Objective:
    kind = objective_class(modality, recipe)
    own = f"Plugin {modality.name!r}"
    specs = _Specs(lambda domain: _guarded(own, "codec.spec", lambda: codec.spec(domain)))
    made: Objective = _guarded(
        modality.bringer("objectives", kind.name),
        f"objective {kind.name!r}",
        lambda: kind(recipe.objective, specs, recipe.train.seed, rank),
    )
    return made


def objective_class(modality: Modality, recipe: Recipe) -> type[Objective]:
    """The objective that a recipe names."""
    named = recipe.objective.name
    return next(kind for kind in modality.objectives if kind.name == named)


class _Specs(dict[str, TensorSpec]):
    """A codec's specs: which domains there are, the objective says."""

    def __init__(self, spec: Callable[[str], TensorSpec]) -> None:
        super().__init__()
        self._spec = spec

    def __missing__(self, domain: str) -> TensorSpec:
        self[domain] = self._spec(domain)
        return self[domain]


class RecipeNetworks:
    """Builds the architectures that the recipe names, each from a seed of its own."""

    def __init__(self, modality: Modality, recipe: Recipe, complete: bool = True) -> None:
        self._modality = modality
        self._recipe = recipe
        self._complete = complete
        self._built = 0

    def generator(
        self,
        source: TensorSpec,
        target: TensorSpec,
        *,
        condition: int = 0,
        taps: bool = False,
        planes: bool = False,
    ) -> nn.Module:
        """See ``NetworkBuilder``."""
        network = self._chosen("generator", {}, ("taps",) if taps else ())
        if not condition:
            return self._build("generator", network, source, target, {})
        if "condition" in network.takes and not planes:
            return self._build("generator", network, source, target, {"condition": condition})
        seen = with_planes(source, condition)
        told = Planes(self._build("generator", network, seen, target, {}))
        what = f"{network.name}, told a condition"
        who = self._modality.bringer("generators", network.name)
        _guarded(who, what, lambda: require_told(told, source, condition, network.name))
        return told

    def discriminator(self, source: TensorSpec, *, classes: int = 0, logits: int = 1) -> nn.Module:
        """See ``NetworkBuilder``."""
        wanted = {"classes": classes} if classes else {}
        network = self._chosen("discriminator", wanted)
        if network.pretrained and not self._complete:
            return nn.Identity()
        judged = replace(source.logits(), channels=logits)
        return self._build("discriminator", network, source, judged, wanted)

    def own(self, name: str, make: Callable[[], Own]) -> Own:
        """See ``NetworkBuilder``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self._recipe.train.seed, "own network", name))
            return make()

    def _chosen(
        self, role: str, wanted: Mapping[str, int], in_calls: Sequence[str] = ()
    ) -> Network:
        """The network that a table of the recipe names.

        Raises:
            RecipeError: If it has not what the objective wants of it.
        """
        networks: Sequence[Network] = getattr(self._modality, f"{role}s")
        name = getattr(self._recipe, role).name
        network = next(network for network in networks if network.name == name)
        asked = {*wanted, *in_calls}
        if missing := sorted(asked.difference(network.takes)):
            able = [network.name for network in networks if asked.issubset(network.takes)]
            hint = f"Choose {' or '.join(able)} as {role}.name." if able else "No other has them."
            raise RecipeError(
                f"Objective {self._recipe.objective.name!r} needs a {role} with "
                f"{' and '.join(ABILITIES[what] for what in missing)}, which {name!r} has not. "
                f"{hint}"
            )
        return network

    def _build(
        self,
        role: str,
        network: Network,
        source: TensorSpec,
        target: TensorSpec,
        wanted: Mapping[str, int],
    ) -> nn.Module:
        self._built += 1
        options = getattr(self._recipe, role)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self._recipe.train.seed, "network", self._built))
            made: nn.Module = _guarded(
                self._modality.bringer(f"{role}s", network.name),
                network.name,
                lambda: network.build(source, target, options, **wanted),
            )
        return made


def _guarded(who: str, place: str, make: Callable[[], Any]) -> Any:
    """What ``make`` makes; if it fails, the one is blamed who brought it."""
    try:
        return make()
    except CyclekitError:
        raise
    except Exception as error:
        raise PluginError(
            f"{who} failed to make {place}: {describe_exception(error)}. Where it is yours, "
            f"correct it (CYCLEKIT_DEBUG=1 shows the traceback); else upgrade it, or tell its "
            f"author."
        ) from error
