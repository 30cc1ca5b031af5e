"""Every way in which training goes wrong that has a name is found in tiny networks that do it."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import make_trainer
from torch import Tensor, nn

from cyclekit.engine.trainer import Trainer
from cyclekit.engine.translator import Translator
from cyclekit.judging import symptoms
from cyclekit.judging.checkup import Checkup
from cyclekit.preparing.preparation import Prepared
from cyclekit.training.held_out import HeldOut

Change = Callable[[Tensor], Tensor]


class Does(nn.Module):
    """A generator that is one function."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x)


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A: smooth pictures. B: others, with fine stripes."""
    root, rng = tmp_path_factory.mktemp("striped"), np.random.default_rng(0)
    for split, count in (("trainA", 18), ("trainB", 18), ("testA", 6), ("testB", 6)):
        (root / split).mkdir()
        for index in range(count):
            coarse = rng.integers(60, 196, (4, 4, 3), dtype=np.uint8)
            fine = Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC)
            pixels = np.asarray(fine).astype(int)
            if split.endswith("B"):
                pixels[::2] += 50
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                root / split / f"{index}.png"
            )
    return root


@pytest.fixture(scope="module")
def ready(striped: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Prepared]:
    as_they_are = {"codec__resize": 32, "codec__crop": 32, "codec__flip": False}
    return make_trainer(striped, tmp_path_factory.mktemp("run"), **as_they_are)


def stripes(x: Tensor) -> Tensor:
    """What B has and A has not."""
    rows = torch.arange(x.shape[-2]) % 2 == 0
    return rows[:, None] * torch.tensor(100 / 255)


def found(ready: tuple[Trainer, Prepared], there: Change, back: Change) -> set[str]:
    """Symptoms of the way from A to B."""
    trainer, prepared = ready
    networks = {"generator_a2b": Does(there), "generator_b2a": Does(back)}
    translator = Translator(prepared.model, networks, trainer.fabric)
    figures = Checkup(prepared.model, prepared.encoded).measure(translator)
    return {symptom.name for symptom, where in symptoms.found(figures) if where == "a2b"}


@pytest.mark.parametrize(
    ("there", "back", "expected"),
    [
        (lambda x: x + stripes(x), lambda y: y - stripes(y), set()),
        (lambda x: x * 0 + stripes(x), lambda y: y, {"collapse"}),
        (lambda x: x, lambda y: y, {"identity"}),
        (lambda x: x + 0.2 * stripes(x), lambda y: y - 0.2 * stripes(y), {"half conversion"}),
        (lambda x: -x + stripes(x), lambda y: stripes(y) - y, {"inverted"}),
        (lambda x: 9 * x + stripes(x), lambda y: (y - stripes(y)) / 9, {"blown up"}),
    ],
)
def test_generators_that_do_it(
    ready: tuple[Trainer, Prepared], there: Change, back: Change, expected: set[str]
) -> None:
    assert found(ready, there, back) == expected


def test_a_source_hidden_in_what_nobody_sees(ready: tuple[Trainer, Prepared]) -> None:
    """Colours at a fortieth of what they were look grey, and can be had back exactly."""

    def hide(x: Tensor) -> Tensor:
        """Grey, with the colours at a fortieth of what they were."""
        grey = x.mean(1, keepdim=True)
        return grey + (x - grey) / 40 + stripes(x)

    def seek(y: Tensor) -> Tensor:
        plain = y - stripes(y)
        grey = plain.mean(1, keepdim=True)
        return grey + (plain - grey) * 40

    assert "hidden message" in found(ready, hide, seek)


class ByHeart(nn.Module):
    """A discriminator that takes for real what it was shown, and nothing else."""

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.known = known

    def forward(self, x: Tensor) -> Tensor:
        distances = (x[:, None] - self.known[None]).abs().flatten(2).mean(2)
        return (distances.min(1).values < 1e-3).float().view(-1, 1, 1, 1)


@pytest.mark.parametrize("knows_all", [False, True])
def test_files_learned_by_heart(ready: tuple[Trainer, Prepared], knows_all: bool) -> None:
    trainer, prepared = ready
    codec = prepared.model.codec
    known = [window.sample.tensor for window in prepared.encoded["b"].windows]
    if knows_all:
        known += [codec.encode(codec.load(file), "b").tensor for file in prepared.tests["b"]]
    heart = ByHeart(codec.to_network(torch.stack(known), "b"))
    held_out = HeldOut.of(trainer, prepared)
    assert held_out is not None
    honest = trainer._local["discriminator_b"]
    trainer._local["discriminator_b"] = heart
    try:
        excess = held_out.excess()["discriminator_b"]
    finally:
        trainer._local["discriminator_b"] = honest
    figures = {"discriminator_b": {symptoms.HELD_OUT: excess}}
    names = [symptom.name for symptom, _ in symptoms.found(figures)]
    assert names == ([] if knows_all else ["learned by heart"])


def test_the_page_of_troubles_says_what_helps_as_the_warnings_do() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/troubles.md").read_text(encoding="utf-8")
    page, _, _ = page.partition("## How")
    cures = dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", page.replace("`", ""), re.MULTILINE))
    assert {symptom.name: cures.get(symptom.name) for symptom in symptoms.SYMPTOMS} == {
        symptom.name: symptom.helps for symptom in symptoms.SYMPTOMS
    }
