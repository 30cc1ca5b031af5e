"""Settings for two folders of MIDI and a number of minutes: a table, and the trial behind each row.

The trials are those of docs/performance/trials.md; nothing but its own two sizes was tried.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cyclekit.api import BadSample, Candidate, Survey
from cyclekit_music.codec import ONE_VOICE, MusicCodec, MusicOptions

LISTENED = 25  # pieces of each domain
TUNES_AT_LEAST = 0.9  # of the pieces
STEP_SECONDS = 0.33  # on two AVX2 cores, recipe chorale2game
NETWORKS = {"generator": {"name": "tiny"}, "discriminator": {"name": "tiny"}}
RATE = "recipes chorale2game and tunes: 7e-4 went wrong after 1,000 to 2,000 steps"
ROUNDING = {"discriminators": True, "cycle": True}
FULL = Candidate(
    {
        **NETWORKS,
        "objective": {
            "cycle": {"weight": 3.0},
            "identity": {"weight": 0.0},
            "rounding": ROUNDING,
        },
        "train": {
            "batch_size": 4,
            "learning_rate": 5e-4,
            "discriminator_learning_rate": 2.5e-4,
            "ema": 0.99,
            "best": {"metric": "transfer_strength"},
        },
    },
    least_steps=1_000,
    step_seconds=STEP_SECONDS,
    reasons={
        "generator.name": "recipe chorale2game: chorales and tunes from games, 2,000 steps",
        "objective.cycle.weight": "recipe chorale2game",
        "train.discriminator_learning_rate": RATE,
    },
)
SHORT = Candidate(
    {
        **NETWORKS,
        "objective": {
            "cycle": {"weight": 20.0},
            "identity": {"weight": 0.0},
            "self_regularization": {"weight": 5.0},
            "rounding": ROUNDING,
        },
        "train": {
            "batch_size": 4,
            "learning_rate": 5e-4,
            "ema": 0.999,
            "ema_share": 0.3,
            "best": {"metric": "transfer_strength"},
        },
    },
    step_seconds=STEP_SECONDS,
    reasons={
        "generator.name": "the music demo: all five seeds called jazz after 600 steps",
        "objective.cycle.weight": "the music demo: under 3, jazz came and went in so few steps",
    },
)

TUNES = Candidate(
    {
        **NETWORKS,
        "codec": {"voices": "source"},
        "discriminator": {"name": "tiny", "init": "kaiming"},
        "objective": {
            "distance": "cross_entropy",
            "cycle": {"weight": 0.1},
            "identity": {"weight": 0.0},
            "rounding": ROUNDING,
        },
        "train": FULL.settings["train"],
    },
    step_seconds=STEP_SECONDS,
    reasons={
        "codec.voices": "pieces have a single voice: recipe tunes keeps them so",
        "objective.distance": "recipe tunes: by L1 they fell silent",
        "objective.cycle.weight": "recipe tunes: sopranos of chorales and airs, 1,000 steps",
        "train.discriminator_learning_rate": RATE,
    },
)


def propose(survey: Survey) -> Sequence[Candidate]:
    """The recipes ``chorale2game`` and ``tunes``; for fewer steps what the demo's trials found."""
    return [TUNES] if _are_tunes(survey.files) else [FULL, SHORT]


def _are_tunes(files: Mapping[str, Sequence[Path]]) -> bool:
    """Whether nearly every piece that can be read has a single voice; a few have grace notes."""
    codec = MusicCodec(MusicOptions())
    found = []
    for domain, some in files.items():
        for file in some[:: max(len(some) // LISTENED, 1)][:LISTENED]:
            try:
                sample = codec.encode(codec.load(file), domain)
            except BadSample:  # training names it
                continue
            found.append(sample.facts["voices"] <= ONE_VOICE)
    return sum(found) > TUNES_AT_LEAST * len(found)
