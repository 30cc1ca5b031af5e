"""From layers of text to one validated recipe, with every fault explained at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args

import tomli_w
from pydantic import BaseModel, ValidationError, create_model

from cyclekit.contract.deciding import PATCH_DISTANCE
from cyclekit.contract.modality import Modality
from cyclekit.contract.options import Options
from cyclekit.errors import RecipeError, suggest
from cyclekit.recipe.layers import Layers
from cyclekit.recipe.moved import renamed_options
from cyclekit.recipe.settings import NO_DOCSTRINGS, Recipe, recipe_model
from cyclekit.recipe.wording import expectation

Settings = TypeVar("Settings", bound=Options)


def resolve(layers: Layers, modality: Modality) -> Recipe:
    """Validate the merged table against everything that ``modality`` knows.

    Raises:
        RecipeError: Listing every fault: the key, where it came from, what was expected.
    """
    table = dict(layers.table)
    for kind, choices in (
        ("generator", {each.name: each.options for each in modality.generators}),
        ("discriminator", {each.name: each.options for each in modality.discriminators}),
        ("objective", {each.name: each.Options for each in modality.objectives}),
    ):
        if isinstance(table.get(kind, {}), Mapping):
            former = {name: options.former_names for name, options in choices.items()}
            table[kind] = layers.chosen(kind, next(iter(choices)), former)
    if isinstance(table.get("codec"), Mapping):
        table["codec"] = layers.options("codec", modality.codec.Options.former_names)
    faults = _unknown_figures(table, modality, layers)
    return _validated(recipe_model(modality), table, layers, "The recipe has", faults)


def with_new_names(table: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """An older recipe's tables, whose settings have the names that a resolved recipe has."""
    made = dict(table)
    for kind in ("codec", "generator", "discriminator", "objective"):
        if isinstance(made.get(kind), Mapping):
            made[kind], _ = renamed_options(made[kind], type(getattr(recipe, kind)).former_names)
    return made


def resolve_metric_options(layers: Layers, modality: Modality) -> Options:
    """Validate the settings of a modality's metrics, ``metrics.KEY``.

    Raises:
        RecipeError: Listing every fault.
    """
    kind = modality.metric_options
    model = create_model(
        "Evaluation", __base__=_Evaluation, __cls_kwargs__=NO_DOCSTRINGS, metrics=(kind, kind())
    )
    options: Options = _validated(model, layers.table, layers, "The settings have").metrics
    return options


class _Evaluation(Options):
    metrics: Any = None


def _validated(
    model: type[Settings],
    table: Mapping[str, Any],
    layers: Layers,
    what: str,
    further: Iterable[str] = (),
) -> Settings:
    """The table as ``model``, or one error that lists its faults and ``further`` ones."""
    faults = list(further)
    try:
        made = model.model_validate(table)
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults = [*(_explain(fault, model, table, layers) for fault in found), *faults]
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise RecipeError(f"{what} {count}:\n{listed}")
    return made


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML with every key written out; unset ones are left out."""
    return tomli_w.dumps(_without_none(recipe.model_dump(mode="json")))


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A recipe's tables as one, by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        inner = flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else None
        flat |= {f"{prefix}{key}": value} if inner is None else inner
    return flat


def keys(
    model: type[BaseModel], prefix: str = "", chosen: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, Any]]:
    """Every dotted key of a recipe model with its pydantic field.

    Args:
        model: Settings.
        prefix: Of the keys.
        chosen: A recipe's table: of networks, only those that it names are looked at.
    """
    for name, info in model.model_fields.items():
        tables = _tables(info.annotation)
        named = (chosen or {}).get(name)
        named = named.get("name") if isinstance(named, Mapping) else None
        if not tables:
            yield f"{prefix}{name}", info
        for table in tables:
            if named is None or len(tables) == 1 or _network_name(table) == named:
                yield from keys(table, f"{prefix}{name}.")


def _unknown_figures(table: Mapping[str, Any], modality: Modality, layers: Layers) -> Iterator[str]:
    found: Any = table
    for key in ("train", "best", "metric"):
        found = found.get(key) if isinstance(found, Mapping) else None
    figures = {figure for metric in modality.metrics for figure in metric.higher_is_better}
    figures.add(PATCH_DISTANCE)  # of every modality
    if found and isinstance(found, str) and found not in figures:
        yield (
            f"train.best.metric (from {layers.origin('train.best.metric')}): {found!r} is no "
            f"figure of plugin {modality.name!r}. {suggest(found, figures)}"
        )


def _tables(annotation: Any) -> list[type[BaseModel]]:
    """The settings classes that an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in get_args(annotation) for table in _tables(inner)]


def _explain(fault: Any, model: type[BaseModel], written: Mapping[str, Any], layers: Layers) -> str:
    key, table = _locate(fault["loc"], model)
    where = layers.origin(key)
    if fault["type"] == "extra_forbidden":
        parent, _, wrong = key.rpartition(".")
        # The right key may live in another table: "train.blocks" is "generator.blocks".
        known = [name for name, _ in keys(model, chosen=written)]
        elsewhere = [name for name in known if name.rpartition(".")[2] == wrong]
        hint = (
            f"Did you mean {elsewhere[0]!r}?"
            if elsewhere
            else suggest(wrong, table.model_fields, f"{parent}." if parent else "")
        )
        return f"{key} (from {where}): there is no such key. {hint}"
    if fault["type"] in ("union_tag_invalid", "literal_error"):
        wrong = fault["ctx"].get("tag", fault["input"])
        known = [
            word.strip("' ")
            for part in (fault["ctx"].get("expected_tags") or fault["ctx"]["expected"]).split(",")
            for word in part.split(" or ")
        ]
        if fault["type"] == "union_tag_invalid":
            key = f"{key}.name"
            where = layers.origin(key)
        brought = key in ("generator.name", "discriminator.name", "objective.name")
        hint = (
            " What an extension brings needs its name in `extensions`, or --extension FILE.py."
            if brought
            else ""
        )
        listed = suggest(str(wrong), known)
        return f"{key} (from {where}): {wrong!r:.100} is not known. {listed}{hint}"
    if fault["type"] == "missing":
        return f"{key}: must be set; it has no default"
    below = [name for inner in _tables_at(table, key) for name in inner.model_fields]
    found = "" if isinstance(fault["input"], Mapping) else f", got {repr(fault['input'])[:100]}"
    return f"{key} (from {where}): {expectation(fault, key, below)}{found}"


def _tables_at(table: type[BaseModel], key: str) -> list[type[BaseModel]]:
    """The settings classes that a table's last key stands for."""
    info = table.model_fields.get(key.rpartition(".")[2])
    return _tables(info.annotation) if info else []


def _locate(location: tuple[Any, ...], model: type[BaseModel]) -> tuple[str, type[BaseModel]]:
    """The dotted key of a fault, and the settings class that its last part belongs to.

    Pydantic puts the chosen network's name into the path (generator, resnet, blocks); it is no key.
    """
    key: list[str] = []
    table: type[BaseModel] = model
    choices: list[type[BaseModel]] = []
    for part in location:
        chosen = [c for c in choices if _network_name(c) == part] if len(choices) > 1 else []
        if chosen:
            table, choices = chosen[0], []
            continue
        if len(choices) == 1:
            table = choices[0]
        key.append(str(part))
        info = table.model_fields.get(str(part))
        choices = _tables(info.annotation) if info else []
    return ".".join(key), table


def _network_name(settings: type[BaseModel]) -> Any:
    name = settings.model_fields.get("name")
    return name.default if name else None


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
