"""The benchmarks' textbook step is the engine's, and its floor all of the engine's convolutions."""

import json
from collections import Counter
from unittest.mock import patch

import floor
import pytest
import step
import torch
from floor import Floor, Like, record
from peaks import peak_mib
from textbook import ImagePool, Textbook
from trainers import Task, picture_task, ready_trainer

from cyclekit.engine.fabric import full_precision

TINY = {
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "discriminator.layers": 2,
}
PICTURES = Task("image", "horse2zebra", 32, TINY)
# Biases before norms have gradients of rounding alone, of which Adam makes steps all the same: at
# this recipe's rate they would be larger than what is told apart here.
SOUNDS = Task("audio", "slt2rms", 16, TINY | {"generator.norm": "none"})


@pytest.mark.parametrize("task", [PICTURES, SOUNDS], ids=["image", "audio"])
def test_two_steps_are_the_engines(task: Task) -> None:
    trainer = ready_trainer(task, "64-true")
    textbook = Textbook(trainer.model.networks, trainer.model.recipe)
    for index in range(2):
        batch = trainer.batches.batch(index, 0, torch.device("cpu"))
        with full_precision("64-true"):
            trainer.train_step()
            trainer.step += 1
        wanted = trainer.read_losses()
        for name, loss in textbook.step(batch["a"], batch["b"]).items():
            assert loss.item() == pytest.approx(wanted[name], rel=1e-6), (index, name)
    for name, network in trainer.model.networks.items():
        for one, other in zip(
            network.parameters(), textbook.networks[name].parameters(), strict=True
        ):
            torch.testing.assert_close(one.data, other.data, rtol=1e-8, atol=1e-10)


def test_full_pools_show_old_images_half_of_the_time() -> None:
    pool, old = ImagePool(4), 0
    for index in range(200):
        image = torch.full((1, 1, 2, 2), float(index))
        old += not pool.query(image).equal(image)
    assert len(pool.images) == 4
    assert 60 < old < 140


def test_the_floor_is_every_convolution_with_the_gradients_it_needs() -> None:
    trainer = ready_trainer(PICTURES)
    calls = record(trainer.train_step)
    generator, judge = 8, 4
    each = 2 * (2 * generator + judge) + 2 * judge  # source and identity go together, real and fake
    assert Counter(call.operator for call in calls) == {floor.FORWARD: each, floor.BACKWARD: each}
    gradients = Counter(
        tuple(call.arguments[-1][:2]) for call in calls if call.operator is floor.BACKWARD
    )
    assert gradients == {
        (True, False): 2 * judge,  # frozen judges pass gradients on
        (False, True): 2 + 2,  # nobody asks for a gradient of samples
        (True, True): 2 * (2 * generator - 1) + 2 * (judge - 1),
    }
    shapes = [x.shape for call in calls for x in call.arguments if isinstance(x, Like)]
    ran = record(Floor(calls).run)
    assert [x.shape for call in ran for x in call.arguments if isinstance(x, Like)] == shapes
    assert ran == calls


def test_a_mixed_step_has_a_floor_in_half_precision() -> None:
    calls = record(ready_trainer(PICTURES, "bf16-mixed").train_step)
    assert {call.arguments[0].dtype for call in calls} == {torch.bfloat16}
    Floor(calls).run()


def test_the_table_has_a_row_for_each_precision(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["step.py", "--only", "image-128", "--json", "--rounds=1"]
    tiny = picture_task(32, 1, 1, generator__channels=4, discriminator__channels=4)
    changed = (
        patch.dict(step.TASKS, {"image-128": tiny}),
        patch.object(step, "peak_mib", lambda task, precision, device: 123.4),
        patch("sys.argv", asked),
    )
    with changed[0], changed[1], changed[2]:
        step.main()
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["name"], row["precision"]) for row in found] == [
        ("image-128", "32-true"),
        ("image-128", "bf16-mixed"),
    ]
    for row in found:
        assert set(row) == {"name", "precision", "ms", "ratio", "floor_ratio", "peak_mib"}
        assert all(row[key] > 0 for key in ("ms", "ratio", "floor_ratio"))
        assert row["peak_mib"] == 123


@pytest.mark.slow
def test_a_peak_is_of_a_process_of_its_own() -> None:
    megabytes = 1500
    ballast = torch.ones(megabytes * 2**18)  # torch itself takes less
    assert 100 < peak_mib(PICTURES, "32-true", "cpu") < megabytes
    assert ballast.sum() > 0
