"""What is passed on of a run: weights that translate, recipe and card; nothing that is code."""

from cyclekit.errors import UsageError
from cyclekit.hub.card import NAME, SHOWN, copy_pictures, make_card
from cyclekit.recipe.resolve import to_toml
from cyclekit.recipe.settings import Recipe
from cyclekit.reporting.media import files_in
from cyclekit.reporting.reading import RunStory, without_homes
from cyclekit.runs.checkpoint import describe_writer
from cyclekit.runs.checkpoints import LATEST
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.open_run import read_model, recall
from cyclekit.runs.records import read_json, to_json
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file
from cyclekit.trust import code_files


def pack(run: RunDirectory, checkpoint: str, storage: Storage, repository: str) -> None:
    """Write a package.

    Args:
        run: The run.
        checkpoint: ``latest``, ``best`` or a step.
        storage: An empty folder.
        repository: Where it goes, for the card.

    Raises:
        UsageError: If the run cannot do without code that is no installed package.
        CheckpointError: If it cannot be read.
    """
    host, _ = recall(run)
    model, chosen = read_model(run, checkpoint)
    _require_no_code(run, model.recipe)
    recipe = _alone(model.recipe)
    package = RunDirectory(storage.path)
    info = read_json(run.info_file) | describe_writer(host.info)
    package.storage.write_text(package.info_file.name, to_json(info))
    text = without_homes(to_toml(recipe))
    package.storage.write_text(package.recipe_file.name, text)
    told = chosen.manifest
    about = {
        **describe_writer(host.info),
        "evaluation": told.evaluation,
        "protocol": told.protocol,
        "ranks": told.ranks,
        "global_batch": told.global_batch,
    }
    codec = {"codec": model.codec.state_dict()}
    package.checkpoints.write(chosen.step, model.translators, {}, codec, about, text)
    package.storage.below(package.checkpoints_folder.name).remove(LATEST)  # it is a link
    _add_card(run, storage, repository)


def _add_card(run: RunDirectory, storage: Storage, repository: str) -> None:
    """Add the run's card, which somebody may have filled in, or a new one where it has none."""
    written = run.folder / NAME
    if not written.is_file():
        story = RunStory(run)
        storage.write_text(NAME, make_card(story, copy_pictures(story, storage), repository))
        return
    shown = run.folder / SHOWN
    for file in (written, *(files_in(shown) if shown.is_dir() else ())):
        to = storage if file == written else storage.below(SHOWN)
        with open_file(file) as content:
            to.write_stream(file.name, content)


def _require_no_code(run: RunDirectory, recipe: Recipe) -> None:
    """Refuse a run that others could open only by running somebody's files.

    Raises:
        UsageError: Naming them.
    """
    files = [name for name in (run.plugin_name(), *recipe.extensions) if name.endswith(".py")]
    files += [file for _, file in code_files(recipe)]
    if files:
        raise UsageError(
            f"{run} needs the code {', '.join(files)}, and no code is passed on with a run. Make a "
            f"package of it (cyclekit plugins new) and train with that."
        )


def _alone(recipe: Recipe) -> Recipe:
    """The recipe of weights that are averages already, and that have no data beside them."""
    train = recipe.train.model_copy(update={"ema": 0.0})
    kept = {
        "cache": None,
        "domains": None,
        "tests": None,
        "extra": None,
        "attributes": None,
        "pairs": None,
    }
    data = recipe.data.model_copy(update=kept)
    return recipe.model_copy(update={"train": train, "data": data})
