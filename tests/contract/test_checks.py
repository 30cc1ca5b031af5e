"""Each rule of the contract, and a plugin that breaks just that one."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cyclekit.api import (
    PATCHGAN,
    RESNET,
    BadSample,
    Baseline,
    Candidate,
    Codec,
    CycleObjective,
    ItemSequence,
    Losses,
    Media,
    Metric,
    Modality,
    Network,
    Options,
    RecipeError,
    ResNetGenerator,
    Sample,
    Step,
    Survey,
    TensorSpec,
    Term,
    TermGroup,
)
from cyclekit.plugins.modality import completed
from cyclekit.testing import Result, check_modality, run_checks
from cyclekit.testing.checks import CHECKS
from cyclekit.testing.faults import Fault
from cyclekit.testing.subject import Subject

Array = np.ndarray[Any, Any]
WINDOW = 64


class Series(Codec[Array]):
    """Columns of numbers between 0 and 100, as text."""

    def spec(self, domain: str) -> TensorSpec:
        return TensorSpec(1, (None,))

    def load(self, path: Path) -> Array:
        try:
            column = np.loadtxt(path, ndmin=1)
        except ValueError as error:
            raise BadSample(path, "is no column of numbers") from error
        if len(column) < WINDOW:
            raise BadSample(path, f"has fewer than {WINDOW} numbers")
        return column

    def encode(self, item: Array, domain: str) -> Sample:
        return Sample(torch.from_numpy(item).float()[None], {"length": len(item)})

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Array:
        return tensor[0, : meta["length"]].numpy()

    def save(self, item: Array, path: Path) -> Path:
        np.savetxt(path.with_suffix(".txt"), item)
        return path.with_suffix(".txt")

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        start = int(torch.randint(tensor.shape[-1] - WINDOW + 1, (), generator=rng))
        return tensor[:, start : start + WINDOW]

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        return tensor.float() / 50 - 1

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        return (tensor + 1) * 50


def make_waves(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for split in ("trainA", "trainB", "testA", "testB"):
        (folder / split).mkdir(parents=True)
        for index in range(3):
            wave = 50 + 45 * np.sin(np.arange(100) / rng.uniform(2, 6))
            column = np.round(wave / 90) * 90 if split.endswith("B") else wave
            np.savetxt(folder / split / f"{index}.txt", column)


class Small(ResNetGenerator):
    """The default generator, small."""

    def __init__(self, source: TensorSpec, target: TensorSpec, options: Any) -> None:
        small = options.model_copy(update={"channels": 4, "blocks": 1})
        super().__init__(source, target, small)


SMALL = Network("small", Small, RESNET.options)
SOUND = Modality(
    name="series",
    api=2,
    summary="Columns of numbers",
    codec=Series,
    generators=(SMALL,),
    discriminators=(PATCHGAN,),
    metrics=(Metric("size", {"size": True}, lambda shown, _: {"size": len(shown.outputs)}),),
    baselines=(Baseline("mean", lambda _a, _b: lambda item: item * 0 + item.mean()),),
    datasets={"demo": make_waves},
)


class Required(Options):
    rate: int


class NeedsOptions(Series):
    Options = Required


class TupleSpec(Series):
    def spec(self, domain: str) -> Any:
        return (1, None)


class Forgetful(Series):
    def load(self, path: Path) -> Any:
        super().load(path)


class Credulous(Series):
    def load(self, path: Path) -> Array:
        try:
            return super().load(path)
        except BadSample:
            return np.zeros(WINDOW)


class Batched(Series):
    def encode(self, item: Array, domain: str) -> Sample:
        return Sample(super().encode(item, domain).tensor[None])


class Noisy(Series):
    def encode(self, item: Array, domain: str) -> Sample:
        sample = super().encode(item, domain)
        return Sample(sample.tensor + 0.1 * torch.rand_like(sample.tensor), sample.meta)


class OddMeta(Series):
    def encode(self, item: Array, domain: str) -> Sample:
        sample = super().encode(item, domain)
        return Sample(sample.tensor, {**sample.meta, "folder": Path("x")})


class NoWindows(Series):
    def windows(self, sample: Sample) -> list[Sample]:
        return []


class OwnChance(Series):
    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        return super().augment(tensor, domain, torch.Generator().manual_seed(torch.seed() % 2**60))


class LosesStatistics(Series):
    mean = 1.0

    def fit(self, domain: str, windows: Any) -> None:
        self.mean = 1.01

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        return super().to_network(tensor, domain) * self.mean / 1.1

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        return super().from_network(tensor * 1.1 / self.mean, domain)


class Unscaled(Series):
    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        return tensor.float()

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        return tensor


class OneWay(Series):
    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        return tensor * 50


class Backwards(Series):
    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Array:
        return 100 - super().decode(tensor, domain, meta)


class Silent(Series):
    def save(self, item: Array, path: Path) -> Any:
        super().save(item, path)


class OddWindows(Series):
    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        return tensor[:, : WINDOW - 1]


class OwnDomainOnly(Series):
    def encode(self, item: Array, domain: str) -> Sample:
        return Sample(super().encode(item, domain).tensor, {f"length_{domain}": len(item)})

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Array:
        return tensor[0, : meta[f"length_{domain}"]].numpy()


class PathsForMedia(Series):
    def render(self, rows: Any, folder: Path) -> Any:
        super().render(rows, folder)
        return list(folder.iterdir())


class Shrinking(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[..., 1:]


class Detached(Small):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0 * super().forward(x).detach()


class Counting(Small):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return super().forward(x) / (1 + 0.1 * self.calls)


class TwoChannels(nn.Module):
    def __init__(self, source: TensorSpec, target: TensorSpec, options: Any) -> None:
        super().__init__()
        self.judge = nn.Conv1d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(x)


def with_codec(codec: type[Series]) -> Modality:
    return replace(SOUND, codec=codec)


def with_generator(build: Callable[..., nn.Module]) -> Modality:
    return replace(SOUND, generators=(Network("small", build, RESNET.options),))


class Misspelt(Series):
    def augement(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        return tensor


class LacksDomain(Series):
    def encode(self, item: Array) -> Sample:  # type: ignore[override]
        return super().encode(item, "a")


class OwnNames(Series):
    def save(self, item: Array, path: Path) -> Path:
        return super().save(item, path.parent / "result")


class FlatPicture(Series):
    def render(self, rows: Any, folder: Path) -> list[Media]:
        super().render(rows, folder)
        (file, *_) = folder.iterdir()
        return [Media("curve", file, image=torch.zeros(8, 8, 3, dtype=torch.uint8))]


class Forgets(Series):
    def __init__(self, options: Any) -> None:
        self.rate = 1


def unseeded(folder: Path, seed: int) -> None:
    make_waves(folder, torch.seed() % 2**32)


class Crowded(CycleObjective):
    name = "crowded"

    def terms(self, phase: str, networks: Any, batch: Any, step: Step) -> list[TermGroup]:
        groups, way = [*super().terms(phase, networks, batch, step)], self.directions[0]

        def deviation() -> torch.Tensor:
            made = self.translate(networks, batch[way.source], way)
            return made.std(dim=0, correction=0).mean()

        extra = TermGroup([Term("deviation", 1.0, way.networks, deviation)])
        return [*groups, extra] if phase == "generators" else groups


class Halved(CycleObjective):
    name = "halved"

    def losses(self, phase: str, networks: Any, batch: Any, step: Step) -> Losses:
        losses = super().losses(phase, networks, batch, step)
        return Losses(losses.total / 2, losses.terms)


BROKEN: dict[str, tuple[Modality, str]] = {
    "plugin": (replace(SOUND, api=1), "this cyclekit speaks 2"),
    "options": (with_codec(NeedsOptions), "Codec.Options, without any setting, raised .*rate"),
    "recipe": (replace(SOUND, generators=(SMALL, SMALL)), "no name twice"),
    "spec": (with_codec(TupleSpec), "must return a TensorSpec"),
    "names": (with_codec(Misspelt), "augement is never called: did you mean 'augment'"),
    "datasets": (replace(SOUND, datasets={"demo": unseeded}), "from the same seed"),
    "data": (replace(SOUND, datasets={}), "pass a folder with trainA and so on"),
    "load": (with_codec(Forgetful), "load returned None"),
    "refusal": (with_codec(Credulous), "load accepts random bytes: raise BadSample"),
    "encode": (with_codec(Batched), "without a batch axis"),
    "deterministic": (with_codec(Noisy), "leave all chance to augment"),
    "meta": (with_codec(OddMeta), "no plain value under folder"),
    "windows": (with_codec(NoWindows), "windows returned nothing"),
    "augment": (with_codec(OwnChance), "draw from rng alone"),
    "statistics": (with_codec(LosesStatistics), "state_dict returns nothing"),
    "range": (with_codec(Unscaled), "values from .* but spec promises -1 to 1"),
    "inverse": (with_codec(OneWay), "from_network does not undo to_network"),
    "decode": (with_codec(Backwards), "decode does not undo encode.*swapped axis"),
    "save": (with_codec(Silent), "return that file; it returned None"),
    "generators": (with_generator(Shrinking), r"makes \(1, 1, 63\) of \(1, 1, 64\)"),
    "discriminators": (
        replace(SOUND, discriminators=(Network("two", TwoChannels),)),
        "expected one channel of logits",
    ),
    "window sizes": (with_codec(OddWindows), r"sizes \(63,\).*multiples of \(4,\)"),
    "step": (with_generator(Detached), "changes nothing.*the gradient is cut off"),
    "checkpoint": (with_generator(Counting), "in parameters, buffers or state_dict"),
    "parts": (
        replace(SOUND, objective="halved", objectives=(Halved,)),
        "The objective's parts do not add up to its losses",
    ),
    "samples": (
        replace(SOUND, objective="crowded", objectives=(Crowded,)),
        "deviation, .* of two samples in one batch is not the mean of what both have alone",
    ),
    "translate": (with_codec(OwnDomainOnly), "Translation raised .*length_b"),
    "render": (with_codec(PathsForMedia), "must return a list of Media"),
    "metrics": (
        replace(SOUND, metrics=(Metric("odd", {}, lambda *_: {"odd": float("nan")}),)),
        "Metric 'odd' must return {figure: finite number, or one for each item}",
    ),
    "baselines": (
        replace(SOUND, baselines=(Baseline("none", lambda _a, _b: lambda item: None),)),
        "Baseline 'none' raised",
    ),
}


def spoil_in_place(item: Array, rng: np.random.Generator) -> Array:
    item[:9] = 0
    return item


BROKEN["corruptions"] = (
    replace(SOUND, corruptions={"zeroed": spoil_in_place}),
    "Corruption 'zeroed' changes the item that it is given",
)


def plans_steps(survey: Survey) -> list[Candidate]:
    return [Candidate({"train": {"steps": 100}})]


BROKEN["planner"] = (replace(SOUND, planner=plans_steps), "leave train.steps out")


class Named(Series):
    sequence_suffixes = frozenset({".rows"})


BROKEN["sequences"] = (with_codec(Named), "write both or neither")


class Rows(ItemSequence[Array]):
    """Columns side by side in a table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.columns = list(np.loadtxt(path, ndmin=2))
        except ValueError as error:
            raise BadSample(path, "is no table") from error

    def sample(self, most: int) -> list[Array]:
        return self.columns[:most]

    def rewrite(self, translate: Any, paths: Any) -> None:
        for path, columns in zip(
            paths, zip(*translate(iter(self.columns)), strict=True), strict=True
        ):
            np.savetxt(path, columns)


class Tables(Named):
    opened: type[Rows] = Rows

    def sequence(self, path: Path, domain: str) -> Rows:
        return self.opened(path)


class Greedy(Rows):
    def sample(self, most: int) -> list[Array]:
        return self.columns


class Fewer(Rows):
    def rewrite(self, translate: Any, paths: Any) -> None:
        first = len(self.columns) > 3
        self.columns, whole = self.columns[first:], self.columns
        super().rewrite(lambda items: translate(iter(whole)), paths)
        if first:
            for path in paths:
                np.savetxt(path, self.columns)


class Lonely(Rows):
    def rewrite(self, translate: Any, paths: Any) -> None:
        super().rewrite(lambda items: ([made[0]] for made in translate(items)), paths[:1])


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        (Rows, ""),
        (Greedy, r"sample\(3\) returned 5 items"),
        (Fewer, "got 5 items, but what it wrote holds 4"),
        (Lonely, "a file at each of its paths, and nothing else; it wrote one.rows"),
    ],
)
def test_files_of_many_items_are_tried_where_the_data_has_some(
    tmp_path: Path, opened: type[Rows], said: str
) -> None:
    make_waves(tmp_path / "data", 0)
    waves = [np.loadtxt(file) for file in sorted((tmp_path / "data").glob("train*/*.txt"))[:5]]
    np.savetxt(tmp_path / "data" / "film.rows", waves)

    class Codec(Tables):
        pass

    Codec.opened = opened
    (tmp_path / "made").mkdir()
    subject = Subject(completed(with_codec(Codec)), None, tmp_path / "data", tmp_path / "made")
    with pytest.raises(Fault, match=said) if said else nullcontext():
        CHECKS["sequences"].find(subject)


def failed(results: Iterator[Result]) -> dict[str, str]:
    found = {result.name: result for result in results}
    for name, check in CHECKS.items():
        passed = all(found[need].outcome == "ok" for need in check.needs)
        assert passed or found[name].outcome == "not run" or found["plugin"].outcome == "failed"
    return {name: result.message for name, result in found.items() if result.outcome == "failed"}


@pytest.mark.slow
def test_a_sound_plugin_passes_everything() -> None:
    results = list(run_checks(SOUND))
    assert {result.outcome for result in results} == {"ok"}
    assert [result.name for result in results] == ["plugin", *CHECKS]
    check_modality(SOUND)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [name for name in ("plugin", *CHECKS) if name != "recipes"])
def test_a_plugin_that_breaks_a_rule_is_told_what_to_change(rule: str) -> None:
    modality, said = BROKEN[rule]
    faults = failed(run_checks(modality))
    assert list(faults) == [rule]
    with pytest.raises(AssertionError, match=said):
        check_modality(modality)


PLUGIN = """
from test_checks import SOUND
from cyclekit.api import hookimpl

@hookimpl
def cyclekit_modality():
    yield SOUND
"""


@pytest.mark.slow
def test_a_recipe_that_cannot_be_used_is_found_and_the_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any]
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    plugin = tmp_path / "series.py"
    plugin.write_text(PLUGIN)
    sound = cli("plugins", "check", plugin)
    assert sound.code == 0, sound.err
    assert sound.out.count("ok") == len(CHECKS) + 1
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "demo.toml").write_text("[train]\nsteps = 3\n")
    (tmp_path / "recipes" / "wrong.toml").write_text("[train]\nstepz = 3\n")
    broken = cli("plugins", "check", plugin)
    assert broken.code == 1
    assert "recipes" in broken.out
    assert "Recipe 'wrong'" in broken.out
    assert "Did you mean 'train.steps'" in broken.out
    unknown = cli("plugins", "check", "imgae")
    assert (unknown.code, unknown.out) == (2, "")
    assert "Did you mean 'image'" in unknown.err
    plugin.write_text("import nowhere_at_all\n")
    faulty = cli("plugins", "check", plugin)
    assert faulty.code == 1
    assert "nowhere_at_all" in faulty.out
    assert faulty.out.splitlines()[1:] == [
        f"not run  {len(CHECKS)}, each of which needs one that failed"
    ]


OWN_OBJECTIVE = """
from cyclekit.api import CycleObjective, hookimpl

class Mine(CycleObjective):
    name = "mine"

@hookimpl
def cyclekit_objectives(modality):
    yield Mine
"""


def test_an_extensions_objective_is_tried_with_somebodys_modality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    plugin, extension = tmp_path / "series.py", tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    extension.write_text(OWN_OBJECTIVE)
    asked = {"objective": "mine", "extensions": [str(extension)]}
    assert not failed(run_checks(str(plugin), **asked))  # type: ignore[arg-type]
    (fault,) = failed(run_checks(str(plugin), objective="mine")).values()
    assert "objective.name (from --objective): 'mine' is not known" in fault


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "rule", "said"),
    [
        (OwnNames, "save", "given the path '000000' and wrote 'result.txt'"),
        (FlatPicture, "render", r"must be \(3, height, width\) uint8, not \(8, 8, 3\)"),
        (Forgets, "recipe", r"must call super\(\).__init__\(options\)"),
    ],
)
def test_other_ways_to_break_a_rule(codec: type[Series], rule: str, said: str) -> None:
    faults = failed(run_checks(with_codec(codec)))
    assert list(faults) == [rule]
    assert re.search(said, faults[rule])


class Raising(Series):
    def encode(self, item: Array, domain: str) -> Sample:
        return Sample(torch.from_numpy(item), {"length": 1 / 0})


def test_a_method_that_lacks_an_argument_is_named() -> None:
    fault = failed(run_checks(with_codec(LacksDomain)))["names"]
    assert "LacksDomain.encode must take (self, item, domain)" in fault
    assert "it takes (self, item)" in fault


def test_what_a_plugin_raises_is_named_with_its_place() -> None:
    (fault,) = failed(run_checks(with_codec(Raising))).values()
    assert "encode raised ZeroDivisionError: division by zero (at test_checks.py:" in fault


def test_even_the_oddest_value_is_a_sentence() -> None:
    odd = Metric("odd", {}, lambda *_: {"odd": None})  # type: ignore[dict-item]
    (fault,) = failed(run_checks(replace(SOUND, metrics=(odd,)))).values()
    assert "another type than the contract says" in fault


def test_other_data_can_be_named(tmp_path: Path) -> None:
    make_waves(tmp_path, 1)
    check_modality(replace(SOUND, datasets={}), data=tmp_path)


def test_a_discriminator_may_lack_other_peoples_weights() -> None:
    def lacking(*_: object) -> nn.Module:
        raise RecipeError("not installed: pip install something")

    found = {}
    for pretrained in ((), ("Somebody's network",)):
        judges = (PATCHGAN, Network("eyes", lacking, pretrained=pretrained))
        found[pretrained] = failed(run_checks(replace(SOUND, discriminators=judges)))
    assert list(found[()]) == ["discriminators"]
    assert not found["Somebody's network",]


def test_a_metric_may_lack_something_that_is_not_installed() -> None:
    absent = Metric("absent", {"figure": True}, lambda *_: {})
    assert not failed(run_checks(replace(SOUND, metrics=(absent,))))
