"""pix2pix: terms by hand, files with both halves side by side."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from support import SMALL, Cli, as_options, draw
from torch import Tensor, nn

from cyclekit import api
from cyclekit.objectives.pix2pix import Pix2PixObjective, Pix2PixOptions

SPEC = api.TensorSpec(1, (None,))
SPECS = {"a": SPEC, "b": SPEC}


class Double(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class Ends(nn.Module):
    """A logit for each place: of both halves the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, pair: Tensor) -> Tensor:
        assert pair.shape[1] == 2
        return self.weight * pair.sum(1, keepdim=True)


def made(specs: dict[str, api.TensorSpec] = SPECS, **options: object) -> Pix2PixObjective:
    return Pix2PixObjective(Pix2PixOptions.model_validate(options), specs)


A, B = torch.full((2, 1, 8), 0.5), torch.full((2, 1, 8), -0.25)
STEP = api.Step(0, 0, positions=range(2))


def test_terms_by_hand() -> None:
    networks = {"generator_a2b": Double(), "discriminator_b": Ends()}
    objective, batch = made(), {"a": A, "b": B}
    paid = objective.losses("discriminators", networks, batch, STEP)
    # Logits: .5 - .25 for what is real, .5 + 2 * .5 for the fake; fakes carry no gradient.
    real, fake = torch.tensor(0.25), torch.tensor(1.5)
    assert paid.total.detach() == pytest.approx(float(F.softplus(-real) + F.softplus(fake)) / 2)
    paid.total.backward()
    assert networks["generator_a2b"].scale.grad is None
    assert networks["discriminator_b"].weight.grad is not None
    cost = objective.losses("generators", networks, batch, STEP)
    assert cost.terms["l1_b"] == pytest.approx(1.25)
    assert cost.total.detach() == pytest.approx(float(F.softplus(-fake)) + 100 * 1.25)


def test_with_rounding_the_discriminator_sees_what_files_will_hold() -> None:
    roll = api.TensorSpec(1, (None,), range=(0.0, 1.0))
    objective = made({"a": roll, "b": roll}, rounding=True)
    networks = {"generator_a2b": Double(), "discriminator_b": Ends()}
    batch = {"a": torch.full((2, 1, 8), 0.4), "b": torch.zeros(2, 1, 8)}
    paid = objective.losses("discriminators", networks, batch, STEP)
    # .8 is shown as a note, 1.
    real, fake = torch.tensor(0.4), torch.tensor(1.4)
    assert paid.total.detach() == pytest.approx(float(F.softplus(-real) + F.softplus(fake)) / 2)
    cost = objective.losses("generators", networks, batch, STEP)
    assert cost.terms["l1_b"] == pytest.approx(0.8)
    assert cost.total.detach() == pytest.approx(float(F.softplus(-fake)) + 100 * 0.8)
    cost.total.backward()
    assert networks["generator_a2b"].scale.grad is not None


def test_gaps_of_the_counterpart_cost_nothing_and_tell_nothing() -> None:
    specs = {"a": SPEC, "b": api.TensorSpec(1, (None,), gaps=True)}
    seen: list[Tensor] = []

    class Judge(Ends):
        def forward(self, pair: Tensor) -> Tensor:
            seen.append(pair[:, 1])
            return super().forward(pair)

    networks = {"generator_a2b": Double(), "discriminator_b": Judge()}
    truth = B.clone()
    truth[:, :, 3] = torch.nan
    cost = made(specs).losses("generators", networks, {"a": A, "b": truth}, STEP)
    assert cost.terms["l1_b"] == pytest.approx(1.25 * 7 / 8)
    assert (seen[0][:, 3] == 0).all()
    assert (seen[0][:, 4] == 1).all()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set as pix2pix's are: B is A's negative, and tests are in ``val``."""
    folder = tmp_path_factory.mktemp("published")
    for split, count in (("train", 6), ("val", 3)):
        for index in range(count):
            file = draw(folder / split / f"{index}.png", index + 10 * count)
            left = np.asarray(Image.open(file))
            Image.fromarray(np.concatenate([left, 255 - left], axis=1)).save(file)
    return folder


def test_pictures_side_by_side(published: Path, cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = SMALL | {"codec.side_by_side": True, "objective.direction": "b2a"}
    done = cli("train", "--plugin=image", "--recipe=pix2pix-demo", f"--data={published}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(small))  # fmt: skip
    assert done.code == 0, done.err
    assert "6 pairs of training files in A and B" in done.err
    assert "in common" not in done.err
    assert "nothing to translate" not in done.err
    assert "b2a l1" in done.out + done.err, "test pairs were found"
    single = draw(tmp_path / "single.png", 5, (60, 44))
    out = tmp_path / "out"
    done = cli("translate", run, published / "val", single, "-o", out, "--accelerator=cpu")
    assert done.code == 0, done.err
    sizes = {file.name: Image.open(file).size for file in out.rglob("*.png")}
    assert sizes["0.png"] == (40, 40), "the half that it translates"
    assert sizes["single.png"] == (60, 44), "a picture of one domain alone"


def test_pictures_that_are_no_two_squares_are_named(
    published: Path, cli: Cli, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    draw(data / "train/odd.png", 0, (50, 40))
    shutil.copytree(published / "val", data / "val")
    done = cli("train", "--plugin=image", "--recipe=pix2pix-demo", f"--data={data}",
               f"--run-dir={tmp_path / 'run'}", "--accelerator=cpu",
               *as_options(SMALL | {"codec.side_by_side": True}))  # fmt: skip
    assert done.code != 0
    assert "has 50 x 40 pixels, which are no two squares side by side" in done.err
