"""``cyclekit recipes``."""

from pathlib import Path

import click

from cyclekit.commands.completion import complete_plugins, complete_recipes
from cyclekit.commands.options import PATH, plugin_option, trust_option
from cyclekit.describe import shown
from cyclekit.errors import UsageError, suggest


@click.group()
def recipes() -> None:
    """List, show, copy and check recipes."""


@recipes.command("list")
@click.argument("name", metavar="[PLUGIN|RECIPE]", required=False, shell_complete=complete_plugins)
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_recipes(name: str | None, plugin: str | None, as_json: bool) -> None:
    """List every recipe, one plugin's or those of a name, with what each needs: data, machine,
    time, memory.

    \b
    Examples:
      cyclekit recipes list
      cyclekit recipes list image
      cyclekit recipes list tunes
      cyclekit recipes list audio --json
    """
    import json

    from cyclekit.plugins.discovery import find_plugin, installed_plugins
    from cyclekit.recipe.listing import described_in, described_recipes

    infos = [find_plugin(plugin)] if plugin else installed_plugins()
    rows = described_in(infos)
    if name is not None:
        plugins = [info.name for info in installed_plugins()]
        of_plugin = plugin is None and (name in plugins or name.endswith(".py"))
        of_name = [row for row in rows if row["name"] == name]
        rows = list(described_recipes(find_plugin(name))) if of_plugin else of_name
        if not rows and not of_plugin:
            known = [*plugins, *(row["name"] for row in described_in(infos))]
            raise UsageError(f"No plugin or recipe is called {name!r}. {suggest(name, known)}")
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(shown(f"{row['plugin']:<10} {row['name']:<24} {row['summary']}"))
        for what in ("data", "needs"):
            if row[what]:
                click.echo(shown(f"{'':<11}{what}: {row[what]}"))


@recipes.command()
@trust_option
@click.argument("name", shell_complete=complete_recipes)
@plugin_option
@click.option("--resolved", is_flag=True, help="Every key, with what the recipe extends.")
def show(name: str, plugin: str | None, resolved: bool) -> None:
    """Print a recipe.

    \b
    Examples:
      cyclekit recipes show horse2zebra
      cyclekit recipes show horse2zebra --resolved
    """
    from cyclekit.recipe.finding import locate
    from cyclekit.recipe.reading import read_recipe_text

    path, _ = locate(name, plugin)
    if not resolved:
        click.echo(shown(read_recipe_text(path)), nl=False)
        return
    from cyclekit.preparing.planning import plan_training
    from cyclekit.recipe.resolve import to_toml

    click.echo(to_toml(plan_training(plugin, name).recipe), nl=False)


@recipes.command()
@click.argument("name", shell_complete=complete_recipes)
@click.argument("destination", type=PATH)
@plugin_option
def copy(name: str, destination: Path, plugin: str | None) -> None:
    """Copy a recipe to a file or folder, to change it there.

    \b
    Example:
      cyclekit recipes copy horse2zebra my_recipe.toml
    """
    from cyclekit.recipe.finding import locate
    from cyclekit.recipe.reading import read_recipe_text
    from cyclekit.storage.folder import Storage

    path, _ = locate(name, plugin)
    target = destination / path.name if destination.is_dir() else destination
    if target.exists():
        raise UsageError(f"{target} exists already. Name another file.")
    Storage(target.parent).write_text(target.name, read_recipe_text(path))
    click.echo(f"{target}")


@recipes.command()
@trust_option
@click.argument("path")
@click.option("--plugin", metavar="NAME|FILE.py", help="The modality, where the recipe names none.")
def check(path: str, plugin: str | None) -> None:
    """Check a recipe and build its networks.

    \b
    Example:
      cyclekit recipes check my_recipe.toml --plugin image
    """
    from cyclekit.engine.model import build_model
    from cyclekit.preparing.planning import plan_training

    plan = plan_training(plugin, path)
    model = build_model(plan.host.modality, plan.recipe)
    for name, network in model.networks.items():
        size = sum(parameter.numel() for parameter in network.parameters())
        click.echo(f"{name}: {size / 1e6:.3f} M parameters")
    for warning in plan.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{plan.source}: ok")


@recipes.command()
@click.option("--plugin", required=True, metavar="NAME|FILE.py", help="The modality.")
def schema(plugin: str) -> None:
    """Print the JSON schema of a plugin's recipes, with every key described.

    \b
    Example:
      cyclekit recipes schema --plugin image > recipe.schema.json
    """
    import json

    from cyclekit.plugins.host import load_plugin
    from cyclekit.recipe.settings import recipe_model

    click.echo(json.dumps(recipe_model(load_plugin(plugin).modality).model_json_schema(), indent=2))
