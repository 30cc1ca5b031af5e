"""Augmented CycleGAN: terms by hand, codes that are drawn, found and judged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from objectives.toy import write_signals
from support import QUICK, Cli, as_options
from torch import Tensor, nn

import cyclekit
from cyclekit import api
from cyclekit.cli import main
from cyclekit.judging.codes import share_found
from cyclekit.nets.codes import EncoderOptions, PairEncoder
from cyclekit.objectives.augmented import AugmentedObjective, AugmentedOptions

PLUGIN = Path(__file__).with_name("answers.py")
SPEC = api.TensorSpec(1, (None,))
SPECS = {"a": SPEC, "b": SPEC}
STEP = api.Step(0, 0, positions=range(2))
A, B = torch.full((2, 1, 8), 0.5), torch.full((2, 1, 8), -0.25)


class Scale(nn.Module):
    """``x`` times a number, and the code's sum besides where there is one."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        made = self.by * x
        return made if code is None else made + code.sum(1).view(-1, 1, 1)


class First(nn.Module):
    """Finds a code of two numbers: the means of the pair's two halves."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(1.0))

    def forward(self, pair: Tensor) -> Tensor:
        return self.by * pair.mean(2)


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.by * x.flatten(1).mean(1, keepdim=True)


def networks(both: bool = False) -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {
        "generator_a2b": Scale(2.0),
        "generator_b2a": Scale(4.0),
        "discriminator_a": Mean(),
        "discriminator_b": Mean(),
    }
    for domain in ("a", "b") if both else ("b",):
        made |= {f"encoder_{domain}": First(), f"code_discriminator_{domain}": Mean()}
    return made


def objective(**options: object) -> AugmentedObjective:
    code = {"size": 2} | dict(options.pop("code", {}))  # type: ignore[call-overload]
    return AugmentedObjective(AugmentedOptions.model_validate(options | {"code": code}), SPECS)


def test_terms_by_hand() -> None:
    cost = objective().losses("generators", networks(), {"a": A, "b": B}, STEP)
    code = STEP.normal(A, "code", "b", shape=(2,))
    fake_b, fake_a = 1.0 + code.sum(1), -1.0
    found = torch.tensor([fake_a, -0.25])
    expected = {
        "adversarial_a2b": ((fake_b - 1) ** 2).mean(),
        "cycle_a": (4 * fake_b - 0.5).abs().mean(),
        "code_b": (torch.stack([torch.full((2,), 0.5), fake_b], dim=1) - code).abs().mean(),
        "adversarial_b2a": torch.tensor((fake_a - 1) ** 2),
        "cycle_b": torch.tensor(2 * fake_a + float(found.sum()) + 0.25).abs(),
        "found_b": (found.mean() - 1) ** 2,
    }
    assert cost.terms.keys() == expected.keys()
    for name, value in expected.items():
        assert cost.terms[name].item() == pytest.approx(float(value), rel=1e-5), name
    weights = {"code_b": 0.025}
    total = sum(weights.get(name, 1.0) * float(value) for name, value in expected.items())
    assert cost.total.item() == pytest.approx(total, rel=1e-5)


def test_fakes_are_shown_and_sent_back_rounded() -> None:
    rounding = {"discriminators": True, "cycle": True}
    options = AugmentedOptions.model_validate({"rounding": rounding, "code": {"size": 2}})
    one = AugmentedObjective(
        options, dict.fromkeys("ab", api.TensorSpec(1, (None,), range=(-1.0, 1.0)))
    )
    cost = one.losses("generators", networks(), {"a": A, "b": B}, STEP)
    code = STEP.normal(A, "code", "b", shape=(2,))
    ends = torch.where(1.0 + code.sum(1) >= 0, 1.0, -1.0)  # of what is made of a half
    expected = {
        "adversarial_a2b": ((ends - 1) ** 2).mean(),
        "cycle_a": (4 * ends - 0.5).abs().mean(),
        "code_b": (torch.stack([torch.full((2,), 0.5), ends], dim=1) - code).abs().mean(),
    }
    for name, value in expected.items():
        assert cost.terms[name].item() == pytest.approx(float(value), rel=1e-5), name
    judged = one.losses("discriminators", networks(), {"a": A, "b": B}, STEP)
    assert judged.terms["discriminator_b"].item() == pytest.approx((1.25**2 + 1) / 2)
    (there, _) = one.directions
    found = one.code_of(networks(), torch.full((1, 1, 8), -0.2), there)
    assert found[0].tolist() == pytest.approx([-1.0, -0.2])


def test_discriminators_of_samples_and_of_codes() -> None:
    own = networks()
    cost = objective().losses("discriminators", own, {"a": A, "b": B}, STEP)
    code = STEP.normal(A, "code", "b", shape=(2,))
    found = torch.tensor([-1.0, -0.25]).mean()
    drawn = code.mean(1)
    assert cost.terms["code_discriminator_b"].item() == pytest.approx(
        float((((drawn - 1) ** 2).mean() + found**2) / 2), rel=1e-5
    )
    cost.total.backward()
    learning = {
        name for name, network in own.items() if next(network.parameters()).grad is not None
    }
    assert learning == {"discriminator_a", "discriminator_b", "code_discriminator_b"}


def test_codes_for_both_domains() -> None:
    both = objective(code={"both": True})
    assert [both.code(way) for way in both.directions] == [2, 2]
    cost = both.losses("generators", networks(both=True), {"a": A, "b": B}, STEP)
    assert {"found_a", "found_b", "code_a", "code_b"} <= cost.terms.keys()
    one = objective()
    assert [one.code(way) for way in one.directions] == [2, None]


def test_an_example_s_code_is_found_beside_what_it_came_from() -> None:
    own, one = networks(), objective()
    (there, _) = one.directions
    example = torch.full((1, 1, 8), 0.25)
    found = one.code_of(own, example, there)
    assert found.tolist() == [[1.0, 0.25]]  # the mean of 4 * example, and its own


def test_pairs_have_the_code_that_is_found_in_them() -> None:
    one = objective(supervised={"weight": 0.5})
    batch = {"a": A, "b": B, "pair_a": A, "pair_b": B}
    cost = one.losses("generators", networks(), batch, STEP)
    assert cost.terms["supervised_b"].item() == pytest.approx(abs(1.0 + 0.25 + 0.25))
    assert cost.terms["supervised_a"].item() == pytest.approx(abs(-1.0 - 0.5))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_encoders_take_any_size_and_number_of_axes(dims: int) -> None:
    spec = api.TensorSpec(2, (None,) * dims)
    found = PairEncoder(spec, api.TensorSpec(1, (None,) * dims), 5, EncoderOptions(channels=4))
    for size in (8, 17):
        assert found(torch.rand(2, 3, *(size,) * dims)).shape == (2, 5)
    with pytest.raises(api.RecipeError, match="1 axes and the other 2"):
        PairEncoder(api.TensorSpec(1, (None,)), api.TensorSpec(1, (None,) * 2), 5, EncoderOptions())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("augmented")
    write_signals(folder / "data", ("a", "b"))
    (folder / "recipe.toml").touch()
    small = QUICK | {
        "generator.channels": 4, "generator.blocks": 1, "discriminator.channels": 4,
        "discriminator.layers": 2, "objective.code.size": 3, "train.steps": 2,
        "train.evaluate_every": 0, "train.preview_every": 0,
    }  # fmt: skip
    arguments = [f"--plugin={PLUGIN}", f"--recipe={folder / 'recipe.toml'}",
                 f"--data={folder / 'data'}", f"--run-dir={folder / 'run'}",
                 "--accelerator=cpu"]  # fmt: skip
    main(["train", *arguments, *as_options(small)])
    return folder / "run"


def made(folder: Path) -> dict[str, list[float]]:
    return {
        file.relative_to(folder).as_posix(): np.load(file).tolist()
        for file in folder.rglob("*.npy")
    }


def test_several_answers(cli: Cli, run: Path, tmp_path: Path) -> None:
    tests, out, alone = run.parent / "data/testA", tmp_path / "out", tmp_path / "alone"
    way = ("--direction=a2b", "--accelerator=cpu")
    done = cli("translate", run, tests, "-o", out, *way, "--samples=3")
    assert done.code == 0, done.err
    answers = made(out)
    assert len(answers) == 6
    for file in tests.iterdir():
        places = (file.name, f"answer-2/{file.name}", f"answer-3/{file.name}")
        assert len({tuple(answers[place]) for place in places}) == 3
    cli("translate", run, tests, "-o", alone, *way)
    assert made(alone).items() <= answers.items(), "the first is what is given unasked"
    done = cli("translate", run, tests, "-o", tmp_path / "x", "--direction=b2a", "--samples=2")
    assert "b2a has one answer for each input" in done.err


def test_answers_like_an_example(cli: Cli, run: Path, tmp_path: Path) -> None:
    tests, examples = run.parent / "data/testA", sorted((run.parent / "data/testB").iterdir())
    found = []
    for number, example in enumerate((*examples, examples[0])):
        out = tmp_path / str(number)
        done = cli("translate", run, tests, "-o", out, "--direction=a2b", "--accelerator=cpu",
                   f"--like={example}", f"--seed={number}")  # fmt: skip
        assert done.code == 0, done.err
        found.append(made(out))
    first, second, again = found
    assert first != second
    assert first == again, "whatever the seed is"
    one = cyclekit.load(run)
    item = np.load(sorted(tests.iterdir())[0]).astype(np.float32)
    same = one.translate(item, "a2b", like=examples[0])
    assert same.tolist() == pytest.approx(first[sorted(tests.iterdir())[0].name], abs=1e-5)
    assert one.translate(item, "a2b", answer=1).tolist() != one.translate(item, "a2b").tolist()
    with pytest.raises(cyclekit.CyclekitError, match="no codes there"):
        one.translate(item, "b2a", like=item)


def test_another_code_is_another_answer(cli: Cli, run: Path, tmp_path: Path) -> None:
    """What --skip-existing leaves out has the code that is asked for."""
    tests, out = run.parent / "data/testA", tmp_path / "out"
    one, other = sorted((run.parent / "data/testB").iterdir())[:2]

    def skips(*options: object, way: str = "a2b") -> bool:
        done = cli("translate", run, tests, "-o", out, f"--direction={way}", "--accelerator=cpu",
                   "--skip-existing", *options)  # fmt: skip
        assert done.code == 0, done.err
        return "skipped 2 of 2" in done.err

    assert not skips()
    assert skips("--seed=0")
    assert not skips("--seed=1")
    assert not skips(), "the files hold seed 1's by now"
    assert skips()
    assert not skips("--samples=2")
    assert skips("--samples=2")
    assert not skips(f"--like={one}")
    assert not skips(f"--like={other}")
    renamed = tmp_path / "renamed.npy"
    renamed.write_bytes(other.read_bytes())
    assert skips(f"--like={renamed}", "--seed=5")
    assert not skips(way="b2a")
    assert skips("--seed=7", way="b2a"), "where there is no code, a seed changes nothing"
    assert not skips(f"--like={other}")
    wrong = cli("translate", run, tests, "-o", out, "--direction=a2b", "--like=gone.npy")
    assert (wrong.code, "gone.npy: " in wrong.err) == (1, True), wrong.err


def test_the_share_of_a_code_that_is_used() -> None:
    drawn = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    other = torch.randn(400, 2, generator=torch.Generator().manual_seed(1))
    assert share_found(drawn, drawn) == 1.0
    assert share_found(drawn, torch.zeros(400, 2)) == pytest.approx(0, abs=0.02)
    assert share_found(drawn, other) == 0.0
    first = torch.stack([drawn[:, 0], other[:, 1]], dim=1)
    assert share_found(drawn, first) == 0.5
    assert share_found(drawn, 0.5 * drawn) == pytest.approx(0.75, abs=0.02)


def test_codes_have_figures(cli: Cli, run: Path) -> None:
    done = cli("evaluate", run, "--quick", "--json", "--accelerator=cpu")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    figures = {"diversity", "code_used", "return_own_code", "return_random_code"}
    assert figures <= report["a2b"].keys()
    assert not figures & report["b2a"].keys()
    assert report["a2b"]["diversity"] > 0
    assert "share of the variance of drawn codes" in report["protocol"]["codes"]
    assert report["higher_is_better"]["code_used"]
    one = cyclekit.load(run)
    item = np.load(sorted((run.parent / "data/testA").iterdir())[0]).astype(np.float32)
    answers = [one.translate(item, "a2b", answer=number) for number in range(2)]
    assert np.abs(answers[0] - answers[1]).mean() > 0
