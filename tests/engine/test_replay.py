"""Recorded phases: what is replayed is what would have been computed, to the bit."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from replaying import DrawnBatches, TracedRecorder, assert_same, drawn_trainer, train
from support import as_restored, make_trainer
from trainers import Task

from cyclekit.engine.replay import REHEARSALS, obstacles
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


@pytest.mark.parametrize(
    "case",
    [
        case if case == "image demo" else pytest.param(case, marks=pytest.mark.proof)
        for case in CASES
    ],
)
def test_replayed_steps_are_the_others_to_the_bit(case: str) -> None:
    steps = 29 if case == "image demo" else 8  # 25 of them, or 3, replayed
    plain, _ = drawn_trainer(CASES[case], recorded=False)
    recorded, said = drawn_trainer(CASES[case], recorded=True)
    assert train(plain, steps) == train(recorded, steps)
    assert_same(plain, recorded)
    assert not said
    filled = 4 // recorded.settings.batch_size if recorded.model.objective.history else 0
    assert replays_of(recorded) >= steps - REHEARSALS - filled


@pytest.mark.slow
def test_kinds_of_steps_are_recorded_by_themselves() -> None:
    """Terms that come and go, penalties in some steps alone, a smaller batch in between."""
    changing = {
        "objective.identity": {"weight": 0.5, "until_step": 8},
        "objective.adversarial": {"regularization": {"r1": 1.0, "every": 2}},
    }
    trainers = []
    for recorded in (False, True):
        trainer, said = drawn_trainer(task("horse2zebra", HISTORY | changing), recorded)
        assert isinstance(trainer.batches, DrawnBatches)
        trainer.batches.count = {7: 1}
        train(trainer, 15)
        assert not said
        trainers.append(trainer)
    assert_same(*trainers)
    assert replays_of(trainers[1]) > 5


def test_a_batch_that_is_not_finite_is_withheld_likewise() -> None:
    skipping = replace(PICTURES, settings=PICTURES.settings | {"train.nonfinite": "skip"})
    trainers = []
    for recorded in (False, True):
        trainer, _ = drawn_trainer(skipping, recorded)
        assert isinstance(trainer.batches, DrawnBatches)
        trainer.batches.poisoned = 6
        train(trainer, 9)
        assert trainer.skipped == 1
        trainers.append(trainer)
    assert_same(*trainers)
    assert trainers[1].is_finite
    assert replays_of(trainers[1]) > 4


def test_resume_does_not_depend_on_when_recording_began() -> None:
    whole, _ = drawn_trainer(PICTURES, recorded=True)
    train(whole, 9)
    halved, _ = drawn_trainer(PICTURES, recorded=True)
    halved.load_state(as_restored(copy.deepcopy(whole.state_dict())))
    for name, network in halved.model.networks.items():
        network.load_state_dict(whole.model.networks[name].state_dict())
    assert train(whole, 14) == train(halved, 14)
    assert_same(whole, halved)
    assert 0 < replays_of(halved) < replays_of(whole)


def test_a_failed_recording_is_said_once_and_changes_nothing() -> None:
    plain, _ = drawn_trainer(PICTURES, recorded=False)
    failing, said = drawn_trainer(PICTURES, recorded=True)
    recorder_of(failing).fails = True
    assert train(plain, 7) == train(failing, 7)
    assert_same(plain, failing)
    assert replays_of(failing) == 0
    (sentence,) = said
    assert "generators phase could not be recorded" in sentence
    assert "this machine records nothing" in sentence


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "CUDA"),
        ({"train__memory": "low"}, "memory"),
        ({"generator__dropout": 0.5}, "generator_a2b has dropout"),
    ],
)
def test_what_is_in_the_way_is_said(
    settings: dict[str, object], reason: str, folders: Path, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=f"train.cuda_graphs changes nothing here: .*{reason}"):
        trainer, _ = make_trainer(folders, tmp_path, train__cuda_graphs=True, **settings)
    assert trainer.replays is None


def test_who_inherits_from_a_replayable_objective_states_it_for_itself() -> None:
    trainer, _ = drawn_trainer(PICTURES, recorded=False)
    objective = trainer.model.objective
    (cuda,) = obstacles(trainer.fabric, trainer.model)
    objective.__class__ = type("Mine", (type(objective),), {})
    assert list(obstacles(trainer.fabric, trainer.model)) == [
        cuda,
        "objective 'cycle' does not state that it is replayable",
    ]
