"""Write docs/recipes.md from the settings classes: `python docs/make_recipe_reference.py`."""

from pathlib import Path
from typing import Any, get_args

from pydantic_core import PydanticUndefined

from cyclekit.plugins import load_plugin
from cyclekit.recipe.resolve import keys
from cyclekit.recipe.settings import recipe_model

HEAD = """# Recipes

A recipe is a TOML file that says everything about a run. `cyclekit recipes list` shows what there is;
`cyclekit recipes copy NAME mine.toml` gives you one to change; `cyclekit recipes check mine.toml` checks it
and builds its networks. Where a recipe is silent, the defaults below hold.

- `--recipe NAME` looks for a file of that path, then for `./recipes/PLUGIN/NAME.toml`, then among the plugin's
  own. The first lines of `cyclekit train` say which one was found.
- `extends = "other"` starts from another recipe (a name, or a path beside the file); tables merge key by key.
- `--set KEY=VALUE` changes one key and wins over the file: `--set train.batch_size=4`,
  `--set generator.upsample=resize`. `--data`, `--steps`, `--seed` and `--precision` are short for
  `data.root`, `train.steps`, `train.seed` and `train.precision`.
- A key that does not exist is an error that suggests the right one. All faults are reported at once.
- The resolved recipe, every key written out, lies in each run directory and each checkpoint.

The keys of `[codec]`, `[generator]` and `[discriminator]` belong to the plugin; those of `image` are shown.
This page is made by `docs/make_recipe_reference.py`; a test keeps it true.
"""


def reference() -> str:
    """The page as Markdown."""
    page = [HEAD]
    table = None
    for key, field in keys(recipe_model(load_plugin("image").modality)):
        top, _, rest = key.partition(".")
        heading = top if rest else "(top level)"
        if heading != table:
            table = heading
            name = f"`[{table}]`" if rest else "Top level"
            page.append(f"\n## {name}\n\n| key | default | |\n| --- | --- | --- |")
        description = " ".join((field.description or "").split()).replace("|", "\\|")
        page.append(f"| `{key}` | {_default(field)} | {description} |")
    return "\n".join(page) + "\n"


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
    Path(__file__).with_name("recipes.md").write_text(reference(), encoding="utf-8")
