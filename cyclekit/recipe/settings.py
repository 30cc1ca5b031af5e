"""The recipe's tables that the engine owns, validated by pydantic."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, create_model, field_validator, model_validator

from cyclekit.contract.modality import Modality
from cyclekit.contract.options import Options
from cyclekit.recipe.precision import Precision


def _count_or_share(limit: Any) -> Any:
    """One sentence for whatever is neither."""
    if limit is None or (type(limit) is int and limit >= 1):
        return limit
    if type(limit) is float and 0 < limit <= 1:
        return limit
    raise ValueError("expected a whole number from 1 on, or a share such as 0.1, at most 1.0")


class DataSettings(Options):
    """Where the collections are."""

    root: str | None = None
    """Folder with a training folder for each of the objective's domains, `trainA` or `train/A` for
    a domain called `a`, and test folders `testA` or `test/A` where there are some (all searched
    recursively), or `builtin:NAME` for data that the plugin makes itself. `--data` sets it."""
    domains: dict[str, str] | None = None
    """Folders of training files by domain, instead of `root`: `domains = { a = "...", b = "..." }`
    for the objective `cycle`."""
    tests: dict[str, str] | None = None
    """Folders of test files by domain. Of a domain without one a share of the training files is
    held out."""
    extra: str | None = None
    """Folder of further real samples of no domain, for objectives that want some, as `cycle` does
    for `objective.mixed_domain`."""
    attributes: str | None = None
    """Table of what files in `root` show, for objectives whose domains are attributes: as CelebA's
    `list_attr_celeba.txt`, or CSV with a line for each file, its name, then 1, and 0 or -1. Its
    name inside `root`, or a path. Training files are then those in `root/train`, test files those
    in `root/test`; where there are no such folders, a share of all files is held out."""
    pairs: str | None = None
    """CSV that says which files belong together, in place of equal names: its first line names the
    domains, such as `A,B`, each further line a file of each, by its path inside the domain's
    folder. Its name inside `root`, or a path. For objectives that learn from pairs, and for figures
    that compare with the truth."""
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    """Threads that read and augment the next batch while a step computes. Without it, 4 where
    windows lie on disk, and none where they are in memory. The samples are the same."""
    corruption: str | None = None
    """Make the first of two domains from `root`, a folder of one kind of files, by one of the
    modality's corruptions: training then learns to undo it. Half of the files are corrupted, the
    other half is the second domain; test files are there both ways, as pairs."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the files held out for testing where there is no test folder."""
    limit: Annotated[int | float | None, BeforeValidator(_count_or_share)] = None
    """Train on a part of the files, to try something first: so many of each domain, or a share such
    as 0.1. `train.seed` chooses them."""
    parallel: bool = False
    """Equal names in the folders are the same thing, such as a sentence that both voices read:
    those held out are then pairs, as in test folders they always are."""
    memory_mib: Annotated[int, Field(ge=0, le=2**24)] = 2048
    """Encoded training windows that are kept in memory, in MiB. A domain that does not fit is kept
    in `cache` instead, whole, and is there at the next start."""
    cache: str | None = None
    """Folder for encoded windows that do not fit in memory. Without it, `cyclekit` in
    `$XDG_CACHE_HOME` or `~/.cache`. What is there may be deleted at any time."""
    fetch: str = ""
    """What `cyclekit data get` is told to bring the published set to where this recipe looks, such
    as the set's name; shown when it is missing."""
    homepage: str = ""
    """Where else the set can be had; shown when it is missing."""

    @model_validator(mode="after")
    def _made_from_one(self) -> "DataSettings":
        if self.corruption and self.domains is not None:
            raise ValueError("data.corruption makes a domain: give one folder, as data.root")
        return self


class BestSettings(Options):
    """Which checkpoint is kept as `best`."""

    metric: str = ""
    """A figure of `evaluate`, such as `l1`. Empty: the modality's first figure, or, where that
    cannot be computed, `patch_distance`, which compares small details with the target's."""
    direction: str = "both"
    """The translation direction it is read from, such as `a2b`; `both` takes the mean of all."""


class StopSettings(Options):
    """Stopping early, where nothing gets better any more."""

    patience: Annotated[int, Field(ge=0, le=10**6)] = 0
    """Evaluations in a row without a new best checkpoint, by the figure of `train.best`, after
    which training ends as it would after its last step. 0: never. Needs `evaluate_every`, and a
    schedule's rates fall for the steps that were planned."""


Rate = Annotated[float, Field(gt=0, le=1)]


class TrainSettings(Options):
    """How long, how fast, and what is written on the way."""

    steps: Annotated[int, Field(ge=1, lt=10**8)] = 200_000
    """Optimizer steps in all. `--steps` sets it."""
    batch_size: Annotated[int, Field(ge=1, le=2**16)] = 1
    """Samples of each domain per rank and step (before `accumulate`)."""
    accumulate: Annotated[int, Field(ge=1, le=2**16)] = 1
    """Batches whose gradients are averaged into one step."""
    learning_rate: Rate = 2e-4
    """Adam's rate for the generators."""
    discriminator_learning_rate: Rate | None = None
    """Adam's rate for the discriminators; without it, `learning_rate`."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.5,
        0.999,
    )
    """Adam's decay rates."""
    schedule: Literal["linear", "cosine", "step", "constant"] = "linear"
    """How both rates change: `linear` and `cosine` fall from `decay_from` on, `step` falls by
    `step_factor` at each `step_every`, `constant` stays."""
    decay_from: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the steps after which rates fall, to zero just after the last step (`linear` and
    `cosine`)."""
    step_every: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of the steps after which rates fall, again and again (`step`)."""
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    """What rates are then multiplied by (`step`)."""
    clip: Annotated[float, Field(ge=0)] = 0.0
    """Largest norm of each phase's gradient; 0 leaves gradients alone."""
    nonfinite: Literal["stop", "skip"] = "stop"
    """What follows a loss or gradient that is no finite number: `stop`, with the batch written
    out, or `skip` what is left of that step and count it (which waits for the device each time)."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the generators' exponential moving average, which translation then uses; 0: none."""
    ema_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """How far back the average reaches until `ema` is reached, as a share of the steps so far: at
    0.1 nine tenths of it are the last fifth, at 0.5 each step counts in proportion to its number,
    at 1 all count alike."""
    init: str = ""
    """What networks begin with instead of chance: a run (its newest checkpoint, the average where
    there is one), a checkpoint's folder in a run, or what `cyclekit import` reads: a file, two with
    a comma between, `zoo:NAME`. Networks are matched by their part; what fits is taken. `--init`
    sets it."""
    init_discriminator_steps: Annotated[int, Field(ge=0)] = 100
    """With `init`: steps at the beginning in which discriminators learn alone, so that new ones do
    not spoil what generators know. None where all of them have begun with trained weights."""
    precision: Precision = "auto"
    """Arithmetic: `32-true`, `64-true`, `bf16-mixed`, `16-mixed`, or `auto`: bf16-mixed where the
    device is faster in it, 32-true elsewhere. The run's recipe then says which. `--precision` sets
    it."""
    memory: Literal["normal", "low"] = "normal"
    """`low` takes the gradients in parts (a direction, a discriminator at a time) and computes the
    inside of residual blocks twice instead of keeping it: the same gradients to rounding, slower,
    in a fraction of the memory. Dropout draws other values."""
    compile: bool = False
    """Compile the networks (`torch.compile`) while training: the first steps then take minutes,
    the others less. Results are the same to rounding. Needs a C++ compiler on a CPU."""
    channels_last: bool = False
    """Keep weights and maps of two axes channels last while training. On NVIDIA's GPUs instance
    norm, activation and reflection padding are then one operation. Results are the same to
    rounding. On CPUs it costs a tenth of the time."""
    cuda_graphs: bool = False
    """Record each phase's losses and gradients once as a CUDA graph, as soon as the history of
    fakes is full, and replay it from then on: at small batches a GPU otherwise waits for the host.
    Results are the same to rounding. It takes more memory, and networks of others must decide
    nothing on the host by chance. Where it cannot be done, a warning says why, and training goes on
    without it: on CPUs, on several ranks, with `compile`, `memory = "low"`, fp16 or dropout, and
    for objectives that do not state that they are `replayable`. Not tried on a GPU yet."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Everything random follows from it. `--seed` sets it."""
    log: tuple[Literal["tensorboard", "csv", "wandb", "mlflow"], ...] = ("tensorboard",)
    """What shows losses, figures, rates and samples besides the run's own files. One that is not
    installed or cannot be reached is named, and training goes on without it."""
    log_every: Annotated[int, Field(ge=1)] = 50
    """Steps between lines of `metrics.jsonl` (means over the steps since the last line)."""
    checkpoint_every: Annotated[int, Field(ge=0)] = 5000
    """Steps between checkpoints; the last step always leaves one. 0: only the last."""
    preview_every: Annotated[int, Field(ge=0)] = 1000
    """Steps between previews in `samples/`, the first before step 0. 0: none."""
    preview_items: Annotated[int, Field(ge=1, le=1000)] = 4
    """Test items of each domain in a preview, the same ones at every step."""
    evaluate_every: Annotated[int, Field(ge=0)] = 0
    """Steps between evaluations on the test set. 0: none while training."""
    evaluate_items: Annotated[int, Field(ge=0)] = 0
    """Test items of each domain used by evaluations while training; 0 takes all."""
    keep_checkpoints: Annotated[int, Field(ge=1)] = 3
    """Checkpoints kept besides the best."""
    best: BestSettings = BestSettings()
    """What makes a checkpoint the best (needs `evaluate_every`)."""
    stop: StopSettings = StopSettings()
    """When training ends before its last step."""

    @model_validator(mode="after")
    def _measures_to_stop(self) -> "TrainSettings":
        if self.stop.patience and not self.evaluate_every:
            raise ValueError("train.stop.patience counts evaluations: give train.evaluate_every")
        return self


class Recipe(Options):
    """A resolved recipe. `recipe_model` narrows the tables that a modality owns."""

    plugin: str
    """The modality."""
    summary: str = ""
    """One line for `cyclekit recipes list`."""
    needs: str = ""
    """What it needs, for `cyclekit recipes list`: machine, time, memory. It says something of the
    recipe as it is, and nothing of a run whose settings were changed."""
    extensions: tuple[str, ...] = ()
    """Further plugins to load: observers, added networks, metrics and objectives."""
    data: DataSettings = DataSettings()
    codec: Any = None
    generator: Any = None
    discriminator: Any = None
    objective: Any = None
    train: TrainSettings = TrainSettings()

    @field_validator("plugin")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name:
            raise ValueError("name a plugin")
        return name


# A class made while running has no source in which pydantic could find docstrings of attributes; it
# looks for it long. Fields that are inherited have their descriptions already.
NO_DOCSTRINGS = {"use_attribute_docstrings": False}


def recipe_model(modality: Modality) -> type[Recipe]:
    """The recipe of one modality: its codec's, networks' and objectives' options filled in."""
    objectives = [Choice(kind.name, kind.Options, kind.summary) for kind in modality.objectives]
    return create_model(
        f"{modality.name.title()}Recipe",
        __base__=Recipe,
        __doc__=f"A recipe of the {modality.name} plugin.",
        __cls_kwargs__=NO_DOCSTRINGS,
        codec=(modality.codec.Options, Field(default_factory=modality.codec.Options)),
        generator=_choice("The architecture.", modality.generators),
        discriminator=_choice("The architecture.", modality.discriminators),
        objective=_choice("What is trained on what.", objectives),
    )


class Choice(NamedTuple):
    """What a table's ``name`` may say: as networks have them."""

    name: str
    options: type[Options]
    summary: str


def _choice(what: str, choices: Sequence[Any]) -> tuple[Any, Any]:
    """A field that holds the options of whatever its ``name`` says."""
    settings = [_named_settings(choice, what) for choice in choices]
    first = settings[0]
    if len(settings) == 1:
        return first, Field(default_factory=first)
    union: Any = settings[0]
    for other in settings[1:]:
        union |= other
    return Annotated[union, Field(discriminator="name")], Field(default_factory=first)


def _named_settings(choice: Any, what: str) -> type[Options]:
    literal: Any = Literal[choice.name]
    made: type[Options] = create_model(
        f"{choice.name.title().replace('-', '').replace('_', '')}Settings",
        __base__=choice.options,
        __doc__=choice.summary or choice.options.__doc__,
        __cls_kwargs__=NO_DOCSTRINGS,
        name=(literal, Field(choice.name, description=what)),
    )
    return made
