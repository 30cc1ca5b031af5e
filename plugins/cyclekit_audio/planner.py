"""Settings for two voices and a number of minutes: a table, and the trial behind each row.

The trials are those of docs/performance/trials.md; nothing but its own two sizes was tried.
"""

from collections.abc import Sequence

from cyclekit.api import Candidate, Survey

GENERATOR = {"name": "tiny"}
STEP_SECONDS = 0.13  # on two cores, benchmarks/step.py
FULL = Candidate(
    {
        "generator": GENERATOR,
        "discriminator": {"name": "tiny", "init": "kaiming", "spectral_norm": False},
        "objective": {"cycle": {"weight": 3.0}, "identity": {"weight": 0.0}},
        "train": {
            "batch_size": 2,
            "learning_rate": 5e-4,
            "discriminator_learning_rate": 5e-4,
            "ema": 0.995,
        },
    },
    least_steps=2_000,
    step_seconds=STEP_SECONDS,
    reasons={
        "generator.name": "recipe slt2rms: tried on two Flite voices, 4,000 steps",
        "discriminator.init, discriminator.spectral_norm": "recipe slt2rms: learns sooner",
        "train.learning_rate, train.discriminator_learning_rate": "recipe slt2rms",
    },
)
SHORT = Candidate(
    {
        "generator": GENERATOR,
        "discriminator": {"name": "tiny"},
        "objective": {"cycle": {"weight": 2.0}, "identity": {"weight": 0.0}},
        "train": {
            "batch_size": 2,
            "learning_rate": 8e-4,
            "discriminator_learning_rate": 1e-3,
            "ema": 0.99,
        },
    },
    step_seconds=STEP_SECONDS,
    reasons={
        "generator.name": "the audio demo: after 600 steps above what the sets' statistics reach",
        "train.learning_rate, train.discriminator_learning_rate": "as the demo: steps are few",
    },
)


def propose(survey: Survey) -> Sequence[Candidate]:
    """The recipe ``slt2rms``, and for fewer steps what the demo's trials found."""
    return [FULL, SHORT]
