"""The CycleGAN objective computes what it computed when these numbers were stored."""

import json
import platform
from pathlib import Path

import pytest
import torch
from support import make_trainer

from cyclekit.engine.fabric import full_precision

CPUS = Path("/proc/cpuinfo")
STORED = Path(__file__).with_name("cycle-losses.json")
EVERYTHING = {
    "objective__second_adversarial": {"weight": 2},
    "objective__mixed_domain": {"weight": 2, "gamma": 3, "generator_weight": 0.5},
    "objective__augmentation": {"translation": 0.25, "cutout": 0.5, "colour": True},
    "objective__self_regularization": {"weight": 2},
    "objective__cycle": {"noise": 0.3},
    "objective__input_noise": {"sigma": 0.1},
}
CASES = {
    "default": {},
    "wgan-gp": {"objective__adversarial": {"loss": "wgan-gp"}},
    "everything": EVERYTHING,
    "everything, low memory": EVERYTHING | {"train__memory": "low"},
}


INTEL = "GenuineIntel" in platform.processor() + (CPUS.read_text() if CPUS.exists() else "")


@pytest.mark.slow
@pytest.mark.skipif(
    not INTEL, reason="stored on Intel's processors: sums of others' libraries end otherwise"
)
@pytest.mark.skipif(
    not torch.__version__.startswith("2.14."), reason="stored by torch 2.14: others round otherwise"
)
@pytest.mark.parametrize("name", CASES)
def test_losses_of_twenty_steps(name: str, folders: Path, tmp_path: Path) -> None:
    trainer, _ = make_trainer(folders, tmp_path, train__precision="64-true", **CASES[name])
    with full_precision("64-true"):
        for _ in range(20):
            trainer.train_step()
            trainer.step += 1
    losses = trainer.read_losses()
    stored = json.loads(STORED.read_text())[name]
    assert losses == pytest.approx(stored, rel=1e-9, abs=1e-9)
