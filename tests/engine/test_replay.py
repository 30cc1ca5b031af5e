"""Recorded phases: what is replayed is what would have been computed, to the bit."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from replaying import DrawnBatches, TracedRecorder, assert_same, drawn_trainer, train
from support import as_restored, make_trainer
from trainers import Task

from cyclekit.engine.replay import REHEARSALS
from cyclekit.engine.trainer import Trainer

SMALL = {
    "codec.resize": 16,
    "codec.crop": 16,
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "discriminator.layers": 1,
    "train.batch_size": 2,
}
HISTORY = {"objective.history_size": 4}
PICTURES = Task("image", "horse2zebra", 16, SMALL | HISTORY)


def task(recipe: str, more: dict[str, object], plugin: str = "image") -> Task:
    return Task(plugin, recipe, 16, (SMALL if plugin == "image" else {}) | more)


CASES = {
    "image demo": task("demo", HISTORY),
    "everything": task(
        "horse2zebra",
        HISTORY
        | {
            "objective.second_adversarial": {"weight": 2},
            "objective.mixed_domain": {"weight": 2, "gamma": 3, "generator_weight": 0.5},
            "objective.augmentation": {"translation": 0.25, "cutout": 0.5, "colour": True},
            "objective.cycle": {"noise": 0.3, "back_translation": True},
            "objective.adversarial": {"loss": "wgan-gp"},
            "objective.supervised": {"weight": 1.0},
        },
    ),
    "no history, batch norm": task(
        "horse2zebra", {"objective.history_size": 0, "generator.norm": "batch"}
    ),
    "accumulated": task("horse2zebra", HISTORY | {"train.accumulate": 2}),
    "audio demo": task("demo", HISTORY | {"train.batch_size": 1}, "audio"),
    "masked voices": task(
        "maskcyclegan-vc",
        HISTORY | {"generator.name": "tiny", "discriminator.name": "tiny", "train.batch_size": 1},
        "audio",
    ),
    "music demo": task("demo", HISTORY | {"train.batch_size": 1}, "music"),
    "pix2pix": task("pix2pix-demo", {}),
    "cut": task("cut-demo", {"objective.flip": True, "objective.nce.width": 8}),
    "stargan": task("stargan-demo", {"objective.generator_every": 2}),
    "augmented": task("augmented-demo", {"objective.code.size": 2}),
}


def recorder_of(trainer: Trainer) -> TracedRecorder:
    assert trainer.replays is not None
    recorder = trainer.replays._recorder
    assert isinstance(recorder, TracedRecorder)
    return recorder


def replays_of(trainer: Trainer) -> int:
    assert trainer.replays is not None
    return trainer.replays.count


@pytest.mark.parametrize("case", CASES)
def test_replayed_steps_are_the_others_to_the_bit(case: str) -> None:
    steps = 29 if case == "image demo" else 10  # 25 of them replayed
    plain, _ = drawn_trainer(CASES[case], recorded=False)
    recorded, said = drawn_trainer(CASES[case], recorded=True)
    assert train(plain, steps) == train(recorded, steps)
    assert_same(plain, recorded)
    assert not said
    filled = 4 // recorded.settings.batch_size if recorded.model.objective.history else 0
    assert replays_of(recorded) >= steps - REHEARSALS - filled
