"""Write docs/reference/recipes.md from the settings classes: `python docs/make_recipe_reference.py`."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

from pydantic_core import PydanticUndefined

from cyclekit.contract.options import Options
from cyclekit.objectives import cyclekit_objectives
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.resolve import keys
from cyclekit.recipe.settings import recipe_model

HEAD = """# Recipes

A recipe is a TOML file that says everything about a run.
Where a recipe is silent, the defaults below hold.

| command | does |
| --- | --- |
| `cyclekit recipes list` | shows what there is, and what each needs |
| `cyclekit recipes copy NAME mine.toml` | gives you one to change |
| `cyclekit recipes check mine.toml` | checks it and builds its networks |
| `cyclekit recipes show NAME --resolved` | prints every key |

- `--recipe NAME` looks for a file of that path, then for `./recipes/PLUGIN/NAME.toml`, then among the plugin's own.
  The first lines of `cyclekit train` say which one was found.
- `extends = "other"` starts from another recipe (a name, or a path beside the file); tables merge key by key.
- `--set KEY=VALUE` changes one key and wins over the file: `--set train.batch_size=4`, `--set generator.upsample=resize`.
- `--data`, `--steps`, `--seed` and `--precision` are short for `data.root`, `train.steps`, `train.seed` and `train.precision`.
- A key that does not exist is an error that suggests the right one.
  All faults are reported at once.
- The resolved recipe, every key written out, lies in each run directory and each checkpoint.

The engine's keys come first.
Which table holds for `[objective]`, `[generator]` and `[discriminator]` depends on the `name` that they say.
`[codec]` and the networks belong to the plugin, which may bring objectives too.
Keys that had another name in an earlier version still work under the old one, and `train` says what they are called now.

This page is made by `docs/make_recipe_reference.py`; a test keeps it true.
"""
PLUGINS = ("image", "audio", "music")
DEFAULT = "cycle"
OWNED = ("codec", "generator", "discriminator", "objective")


def reference() -> str:
    """The page as Markdown."""
    page = [HEAD]
    engine = [
        (key, field)
        for key, field in keys(recipe_model(load_plugin(PLUGINS[0]).modality))
        if key.partition(".")[0] not in OWNED
    ]
    for name, group in groupby(engine, key=lambda pair: table_of(pair[0])):
        page += table(f"## `[{name}]`" if name else "## Top level", group)
    own = list(cyclekit_objectives(PLUGINS[0]))
    for kind in own:
        page += objective(f'## `[objective]` with `name = "{kind.name}"`: {kind.summary}', kind)
    for plugin in PLUGINS:
        modality = load_plugin(plugin).modality
        page.append(f"\n## Plugin `{plugin}`")
        page += table("### `[codec]`", keys(modality.codec.Options, "codec."))
        for kind in modality.objectives:
            if kind not in own:
                page += objective(
                    f'### `[objective]` with `name = "{kind.name}"`: {kind.summary}', kind
                )
        if modality.objective != DEFAULT:
            page.append(f"\nWhere a recipe names no objective, `{modality.objective}` is meant.")
        for kind, networks in (
            ("generator", modality.generators), ("discriminator", modality.discriminators)
        ):  # fmt: skip
            for network in networks:
                heading = f'### `[{kind}]` with `name = "{network.name}"`: {network.summary}'
                page += table(heading, keys(network.options, f"{kind}."))
        if modality.metric_options is not Options:
            heading = "### Settings of `cyclekit evaluate --set`, which no recipe holds"
            page += table(heading, keys(modality.metric_options, "metrics."))
    return "\n".join(page) + "\n"


def objective(heading: str, kind: Any) -> list[str]:
    """The table of an objective."""
    return table(heading, keys(kind.Options, "objective."))


def table_of(key: str) -> str:
    """The table that a key lies in, empty for the top level."""
    first, dot, _ = key.partition(".")
    return first if dot else ""


def table(heading: str, rows: Iterable[tuple[str, Any]]) -> list[str]:
    """Lines of a table of keys."""
    lines = [f"\n{heading}\n\n| key | default | |\n| --- | --- | --- |"]
    for key, field in rows:
        description = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {_default(field)} | {description} |")
    return lines


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", ()):
        return ""
    if len(get_args(field.annotation)) == 1 and isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{list(value) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    (Path(__file__).parent / "reference" / "recipes.md").write_text(reference(), encoding="utf-8")
