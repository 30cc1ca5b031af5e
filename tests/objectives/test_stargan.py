"""StarGAN: terms by hand, targets, names of domains, planes, ways to them, many domains."""

import json
import unicodedata
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from objectives.toy import ToyCodec, write_signals
from support import QUICK, Cli, as_options
from torch import Tensor, nn

from cyclekit import api, python_api
from cyclekit.contract.tensors import Sample
from cyclekit.data.sampling import Batches
from cyclekit.data.windows import Window
from cyclekit.engine.conditions import require_told
from cyclekit.nets.planes import Planes, with_planes
from cyclekit.nets.stargan import StarGANDiscriminator, StarGANDiscriminatorOptions
from cyclekit.objectives.stargan import StarGANObjective
from cyclekit.objectives.stargan_domains import faults_of
from cyclekit.objectives.stargan_options import StarGANOptions
from cyclekit.plugins.discovery import find_plugin
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.resolve import resolve

PLUGIN = str(Path(__file__).parent / "many.py")
SPEC = api.TensorSpec(1, (None,))
SMALL = QUICK | {
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "discriminator.layers": 2,
    "train.precision": "32-true",
    "train.evaluate_every": 0,
    "train.preview_every": 0,
}


def made(**options: object) -> StarGANObjective:
    given = {"domains": ["x", "y", "z"], **options}
    return StarGANObjective(StarGANOptions.model_validate(given), dict.fromkeys("xyz", SPEC))


class Louder(nn.Module):
    """As many times louder as the label says."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return x * (label @ self.scale).view(-1, 1, 1)


class Critic(nn.Module):
    """A logit for each place, and the loudness beside two zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        zeros = torch.zeros(len(x), 2)
        return self.weight * x, torch.cat([zeros, x.flatten(1).mean(1, keepdim=True)], dim=1)


ONES = torch.ones(2, 1, 4)
BATCH = {
    "samples": ONES * torch.tensor([1.0, 2.0]).view(2, 1, 1),
    "label": F.one_hot(torch.tensor([0, 1]), 3).float(),
    "target": F.one_hot(torch.tensor([2, 2]), 3).float(),
}
STEP = api.Step(0, 0, positions=range(2))


def entropy(logits: list[float], right: int) -> float:
    return float(
        F.cross_entropy(torch.tensor([logits], dtype=torch.float32), torch.tensor([right]))
    )


@pytest.mark.parametrize(("penalty_of", "steepness"), [("mean", 0.25), ("sum", 1.0)])
def test_the_discriminators_terms_by_hand(penalty_of: str, steepness: float) -> None:
    objective = made(adversarial={"penalty_of": penalty_of})
    networks = {"generator": Louder(), "discriminator": Critic()}
    paid = objective.losses("discriminators", networks, BATCH, STEP)
    # Logits: half of 1 and 2; fakes are three times as loud.
    adversarial = -(0.5 + 1.0) / 2 + (1.5 + 3.0) / 2
    named = (entropy([0, 0, 1], 0) + entropy([0, 0, 2], 1)) / 2
    # The gradient of a sample's mean is .5 / 4 at each of four places, that of its sum is .5.
    penalty = (steepness - 1) ** 2
    assert {name: float(term) for name, term in paid.terms.items()} == pytest.approx(
        {"discriminator": adversarial, "named_real": named, "gradient_penalty": penalty}
    )
    assert float(paid.total.detach()) == pytest.approx(adversarial + named + 10 * penalty)
    paid.total.backward()
    assert networks["generator"].scale.grad is None, "fakes carry no gradient"


def test_the_generators_terms_by_hand() -> None:
    objective = made(identity={"weight": 2.0}, self_regularization={"weight": 3.0})
    networks = {"generator": Louder(), "discriminator": Critic()}
    cost = objective.losses("generators", networks, BATCH, STEP)
    # Fakes are 3 and 6; back again, told 0 and 1, they are 3 and 12.
    expected = {
        "adversarial": -(1.5 + 3.0) / 2,
        "named_fake": (entropy([0, 0, 3], 2) + entropy([0, 0, 6], 2)) / 2,
        "cycle": (abs(3 - 1) + abs(12 - 2)) / 2,
        "self_regularization": (abs(3 - 1) + abs(6 - 2)) / 2,
        "identity": (0 + abs(4 - 2)) / 2,
    }
    assert {name: float(term) for name, term in cost.terms.items()} == pytest.approx(expected)
    weights = {
        "adversarial": 1, "named_fake": 1, "cycle": 10, "self_regularization": 3, "identity": 2
    }  # fmt: skip
    total = sum(weights[name] * value for name, value in expected.items())
    assert float(cost.total.detach()) == pytest.approx(total)


class Judges(Critic):
    """A logit of each domain for each place: the loudness, once, ten and a hundred times."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        whole, named = super().forward(x)
        return whole * torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1), named


def test_domains_own_logits_judge_their_samples_alone() -> None:
    objective = made(adversarial={"logits": "own", "regularization": {"r1": 2.0, "r2": 4.0}})
    networks = {"generator": Louder(), "discriminator": Judges()}
    judged = objective.losses("discriminators", networks, BATCH, STEP).terms
    fooled = objective.losses("generators", networks, BATCH, STEP).terms
    # Samples are x and y, of loudness 1 and 2; both became z, three times as loud.
    real, fake = (0.5 + 2 * 5.0) / 2, (3 * 50 + 6 * 50.0) / 2
    assert float(judged["discriminator"]) == pytest.approx(fake - real)
    assert float(fooled["adversarial"]) == pytest.approx(-fake)
    # Gradients of single logits: half of 1 and 10 at real samples, half of 100 at fakes.
    assert float(judged["r1_discriminator"]) == pytest.approx((0.5**2 + 5**2) / 2 / 2)
    assert float(judged["r2_discriminator"]) == pytest.approx(50**2 / 2)
    # That of a fake's mean over four places is 50 / 4 at each of them.
    assert float(judged["gradient_penalty"]) == pytest.approx((25 - 1) ** 2)


def test_a_discriminator_that_has_no_logit_for_each_domain_is_named() -> None:
    objective = made(adversarial={"logits": "own"})
    networks = {"generator": Louder(), "discriminator": Critic()}
    with pytest.raises(api.RecipeError, match="makes 1 where it was asked for 3"):
        objective.losses("discriminators", networks, BATCH, STEP)


def test_attributes_have_no_logits_of_their_own() -> None:
    with pytest.raises(ValueError, match="attributes come together"):
        made(domains=(), attributes=("tall",), adversarial={"logits": "own"})


def test_the_generator_learns_in_every_fifth_step() -> None:
    discriminators, generators = made().phases
    assert [generators.is_due(step) for step in range(10)] == 2 * [*[False] * 4, True]
    assert all(discriminators.is_due(step) for step in range(10))


def test_translation_is_told_the_target() -> None:
    way = next(way for way in made().directions if way.ends == ("x", "z"))
    out = made().translate({"generator": Louder()}, ONES, way)
    torch.testing.assert_close(out, 3 * ONES)


def windows(count: int) -> list[Window]:
    """Three of four are x."""
    sample = Sample(torch.zeros(1, 48))
    return [Window(sample, "y" if index % 4 == 3 else "x") for index in range(count)]


def test_targets_are_labels_as_often_as_they_occur_whoever_draws_them() -> None:
    def batches(batch_size: int, ranks: int, rank: int) -> Batches:
        return Batches(
            ToyCodec(api.Options()), {"samples": windows(40)}, made().streams, seed=3,
            batch_size=batch_size, ranks=ranks, rank=rank,
        )  # fmt: skip

    cpu, one = torch.device("cpu"), batches(4, 1, 0)
    counts: Counter[int] = Counter()
    moved = 0
    for step in range(10):  # an epoch
        whole = one.batch(step, 0, cpu)
        halves = [batches(2, 2, rank).batch(step, 0, cpu)["target"] for rank in (0, 1)]
        torch.testing.assert_close(whole["target"], torch.cat(halves))
        counts.update(whole["target"].argmax(1).tolist())
        moved += int((whole["target"] != whole["label"]).any(dim=1).sum())
    assert counts == {0: 30, 1: 10}
    assert 0 < moved < 40


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["one"], "there is one domain alone"),
        (["one", "two", "One"], "two domains are called 'one', but for capital letters"),
        (["é", unicodedata.normalize("NFD", "é")], "but for capital letters"),
        (["one", "all"], "cannot be called 'all'"),
        (["one", "Extra"], "cannot be called 'Extra'"),
        (["one", "  "], "cannot be read as a name"),
        (["one", "two\nthree"], "cannot be read as a name"),
        (["2", "2 to 2", "2 to 2 to 2"], "two ways of translating would be called"),
    ],
)
def test_names_that_cannot_be_used(names: list[str], said: str) -> None:
    assert said in " | ".join(faults_of(names))


def test_numbers_are_names() -> None:
    names = [str(number) for number in range(1, 41)]
    assert not list(faults_of(names))
    options = StarGANOptions(domains=tuple(names))
    objective = StarGANObjective(options, dict.fromkeys(names, SPEC))
    assert len({way.name for way in objective.directions}) == 40 * 39


GENERATORS = {"resnet": api.RESNET, "unet_128": api.UNET_128}


@pytest.mark.parametrize("name", GENERATORS)
def test_any_generator_is_told_by_planes(name: str) -> None:
    network, source = GENERATORS[name], api.TensorSpec(2, (None,))
    given = {"channels": 4}
    given |= {"padding": "zeros"} if name == "resnet" else {"downsamplings": 4}
    options = network.options.model_validate(given)
    torch.manual_seed(0)
    planes = Planes(network.build(with_planes(source, 3), source, options)).eval()
    require_told(planes, source, 3, name)
    assert planes.multiple_of == planes.network.multiple_of
    assert planes.reach == planes.network.reach
    x = torch.randn(2, 2, 64)
    labels = torch.eye(3)
    one, other = planes(x, labels[[0, 1]]), planes(x, labels[[1, 1]])
    assert one.shape == x.shape
    assert not torch.allclose(one[0], other[0], atol=1e-6)
    torch.testing.assert_close(one[1], other[1], msg="each sample has its own label")


def test_planes_between_mirrored_borders_and_a_norm_are_refused() -> None:
    options, source = api.ResNetOptions(channels=4, blocks=1), api.TensorSpec(2, (None, None))
    mirrored = Planes(api.ResNetGenerator(with_planes(source, 3), source, options))
    with pytest.raises(api.RecipeError, match="does not depend on them"):
        require_told(mirrored, source, 3, "resnet")
    x, labels = torch.randn(1, 2, 16, 16), torch.eye(3)
    with torch.no_grad():
        told = [mirrored(x, label[None]) for label in labels]
    torch.testing.assert_close(*told[:2], msg="what is refused has in fact no effect")
    for change in ({"padding_at": {"enter": "zeros"}}, {"norm": "none"}):
        changed = api.ResNetOptions.model_validate(options.model_dump() | change)
        able = Planes(api.ResNetGenerator(with_planes(source, 3), source, changed))
        require_told(able, source, 3, "resnet")


def test_the_networks_have_the_papers_size() -> None:
    info, modality = find_plugin("image"), load_plugin("image").modality
    recipe = resolve(read_layers(find_recipes(info)["celeba"], info), modality)
    assert len(recipe.objective.attributes) == 5
    spec = api.TensorSpec(3, (128, 128))
    with torch.device("meta"):
        generator = api.ResNetGenerator(with_planes(spec, 5), spec, recipe.generator)
        judge = StarGANDiscriminator(spec, spec.logits(), recipe.discriminator, classes=5)
        logits, classes = judge(torch.zeros(1, 3, 128, 128))
    counts = [sum(p.numel() for p in net.parameters()) for net in (generator, judge)]
    # Ours has biases at its last convolution, three.
    assert counts == [8_430_528 + 3, 44_762_048]
    assert logits.shape == (1, 1, 2, 2)
    assert classes.shape == (1, 5)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_discriminator_over_any_number_of_axes(dims: int) -> None:
    options = StarGANDiscriminatorOptions(channels=2, layers=2, last_map=2)
    spec = api.TensorSpec(1, (None,) * dims)
    judge = StarGANDiscriminator(spec, spec.logits(), options, classes=3)
    for size in (8, 16):
        logits, classes = judge(torch.zeros(2, 1, *(size,) * dims))
        assert logits.shape == (2, 1, *(size // 4,) * dims)
        assert classes.shape == (2, 3)
    with pytest.raises(api.RecipeError, match="last_map is 2"):
        judge(torch.zeros(2, 1, *(4,) * dims))


def command(data: Path, run: Path, **settings: object) -> list[str]:
    recipe = run.parent / "recipe.toml"
    recipe.touch()
    changed = SMALL | {key.replace("__", "."): value for key, value in settings.items()}
    return ["train", f"--plugin={PLUGIN}", f"--recipe={recipe}", f"--data={data}",
            f"--run-dir={run}", "--accelerator=cpu", *as_options(changed)]  # fmt: skip


NAMES = ("Grüne Wälder", "2 high", "日本")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on folders with spaces, digits and other letters."""
    home = tmp_path_factory.mktemp("names")
    write_signals(home / "made", [f"{number}" for number in range(3)])
    for number, name in enumerate(NAMES):
        for split in ("train", "test"):
            (home / "data" / split).mkdir(parents=True, exist_ok=True)
            (home / f"made/{split}{number}").rename(home / "data" / split / name)
    (home / "recipe.toml").touch()
    python_api.train(
        PLUGIN, str(home / "recipe.toml"), data=home / "data", set=SMALL, run_dir=home / "run",
        hardware=python_api.Hardware(accelerator="cpu"), quiet=True,
    )  # fmt: skip
    return home / "run"


@pytest.fixture
def data(run: Path) -> Path:
    return run.parent / "data"


def test_the_resolved_recipe_holds_the_domains_of_the_data(run: Path) -> None:
    recipe = (run / "recipe.toml").read_text()
    assert all(f'"{name}"' in recipe for name in NAMES)


def test_the_source_is_told_by_the_folder(run: Path, data: Path, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = cli("translate", run, data / "test", "-o", out, "--to=all", "--accelerator=cpu")
    assert done.code == 0, done.err
    results = {path.relative_to(out).as_posix() for path in out.rglob("*.npy")}
    assert results == {
        f"{target}/{source}/{index}.npy"
        for source, target in permutations(NAMES, 2)
        for index in (100, 101)
    }
    # A target's letters may be composed in another way.
    decomposed = unicodedata.normalize("NFD", NAMES[0])
    done = cli("translate", run, data / "test", "-o", tmp_path / "one", f"--to={decomposed}",
               "--accelerator=cpu")  # fmt: skip
    assert done.code == 0, done.err
    assert "passed over 2 files that are of" in done.err
    assert "4 of 4 files translated" in done.err
    way = tmp_path / "way"
    done = cli("translate", run, data / "test" / NAMES[1], "-o", way, "--accelerator=cpu",
               f"--direction={NAMES[1]} to {NAMES[0]}")  # fmt: skip
    assert done.code == 0, done.err
    one, other = way / "100.npy", tmp_path / "one" / NAMES[1] / "100.npy"
    np.testing.assert_array_equal(np.load(one), np.load(other))
    model = python_api.load(run, accelerator="cpu")
    item = np.load(data / "test" / NAMES[1] / "100.npy").astype(np.float32)
    made = model.translate(item, to=NAMES[0], source=NAMES[1])
    np.testing.assert_allclose(made, np.load(one), atol=1e-6)
    with pytest.raises(api.UsageError, match="Say source="):
        model.translate(item, to=NAMES[0])


def test_results_of_one_name_lie_below_their_sources(
    run: Path, data: Path, cli: Cli, tmp_path: Path
) -> None:
    out, folders = tmp_path / "out", [data / "test" / name for name in NAMES[1:]]
    done = cli("translate", run, *folders, "-o", out, f"--to={NAMES[0]}", "--accelerator=cpu")
    assert done.code == 0, done.err
    results = {path.relative_to(out).as_posix() for path in out.rglob("*.npy")}
    assert results == {f"{name}/{index}.npy" for name in NAMES[1:] for index in (100, 101)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to=日本"], "It cannot be told which domain"),
        (["--to=nowhere"], "--to: no domain 'nowhere'"),
        (["--to=日本", "--from=nowhere"], "--from: no domain 'nowhere'"),
        (["--to=日本", "--from=日本"], "--to: no domain '日本'"),
        (["--from=日本"], "Say where to with --to: 2 high, Grüne Wälder, all"),
        (["--to=日本", "--direction=x"], "Say --direction, or --to and --from: not both"),
    ],
)
def test_ways_that_are_not_clear(
    run: Path, data: Path, cli: Cli, tmp_path: Path, options: list[str], said: str
) -> None:
    file = tmp_path / "unknown.npy"
    file.write_bytes((data / "test" / NAMES[0] / "100.npy").read_bytes())
    done = cli("translate", run, file, "-o", tmp_path / "out", *options, "--accelerator=cpu")
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_figures_are_told_by_source_and_target(run: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("evaluate", run, "--accelerator=cpu")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    title = next(n for n, line in enumerate(lines) if line.startswith("taken_for_target (higher"))
    table = "\n".join(lines[title : title + 9])
    assert all(table.count(name) == 2 for name in NAMES), table
    assert "mean" in table
    page = tmp_path / "report.html"
    assert cli("report", run, "-o", page).code == 0
    text = page.read_text()
    assert "Each of the 6 directions" in text
    assert "from, to" in text
    assert "Grüne Wälder → 日本" in text


@pytest.mark.slow
def test_forty_domains(cli: Cli, tmp_path: Path) -> None:
    names = [f"{number}" for number in range(40)]
    write_signals(tmp_path / "data", names, train=1, test=1)
    run, out = tmp_path / "run", tmp_path / "out"
    settings = {"train__steps": 1, "train__preview_items": 1, "train__preview_every": 2}
    done = cli(*command(tmp_path / "data", run, objective__generator_every=1, **settings))
    assert done.code == 0, done.err
    shown = list((run / "samples/step-00000000").glob("*-translated.npy"))
    assert 40 <= len(shown) <= 56
    source = tmp_path / "data/test7"
    done = cli("translate", run, source, "-o", out, "--to=all", "--accelerator=cpu")
    assert done.code == 0, done.err
    assert len(list(out.rglob("*.npy"))) == 39


def test_folders_that_make_no_domains(cli: Cli, tmp_path: Path) -> None:
    def refused(**settings: object) -> str:
        done = cli(*command(tmp_path / "data", tmp_path / "run", **settings))
        assert done.code != 0
        assert not (tmp_path / "run").exists()
        assert "Traceback" not in done.err
        return done.err

    assert "does not exist" in refused()
    (tmp_path / "data/somewhere").mkdir(parents=True)
    assert "has no domains: expected a folder train/NAME for each" in refused()
    write_signals(tmp_path / "data", ["low"])
    assert "there is one domain alone, 'Low'" in refused()
    (tmp_path / "data/trainEmpty").mkdir()
    (tmp_path / "data/testEmpty").mkdir()
    assert "Domain Empty is empty" in refused()
    assert "was told no domains" in refused(data__root="builtin:signals")


def test_the_domains_are_the_keys_of_data_domains(cli: Cli, tmp_path: Path) -> None:
    write_signals(tmp_path / "data", ["low", "middle"])
    recipe = tmp_path / "recipe.toml"
    folders = {name: str(tmp_path / f"data/train{name.title()}") for name in ("low", "middle")}
    recipe.write_text(f"[data]\ndomains = {{ {', '.join(map(entry, folders.items()))} }}\n")
    done = cli("train", f"--plugin={PLUGIN}", f"--recipe={recipe}", "--dry-run",
               "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    assert "low: 5 training files" in done.err


def entry(named: tuple[str, str]) -> str:
    return f"{json.dumps(named[0])} = {json.dumps(named[1])}"
