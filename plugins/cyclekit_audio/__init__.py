"""Audio: voice conversion on mel spectrograms, the CycleGAN-VC networks, and vocoders."""

from collections.abc import Iterator
from functools import partial

from cyclekit.api import Family, Modality, Objective, hookimpl
from cyclekit_audio.baselines import BASELINES
from cyclekit_audio.codec import AudioCodec
from cyclekit_audio.metrics import METRICS
from cyclekit_audio.networks import DISCRIMINATORS, GENERATORS
from cyclekit_audio.objective import VoiceObjective
from cyclekit_audio.planner import propose
from cyclekit_audio.speakers import make_speakers
from cyclekit_audio.words import AudioMetricOptions


@hookimpl
def cyclekit_modality() -> Iterator[Modality]:
    """Offer the ``audio`` modality."""
    yield Modality(
        name="audio",
        api=2,
        summary="Audio: one voice to another, on mel spectrograms",
        codec=AudioCodec,
        generators=GENERATORS,
        discriminators=DISCRIMINATORS,
        metrics=METRICS,
        baselines=BASELINES,
        objective=VoiceObjective.name,
        datasets={
            "speakers": make_speakers,
            "speakers-paired": partial(make_speakers, paired=True),
        },
        metric_options=AudioMetricOptions,
        planner=propose,
    )


@hookimpl
def cyclekit_families(modality: str) -> Iterator[Family]:
    """Offer other people's vocoders and voices."""
    from cyclekit_audio.importing.families import FAMILIES

    if modality == "audio":
        yield from FAMILIES


@hookimpl
def cyclekit_objectives(modality: str) -> Iterator[type[Objective]]:
    """Offer CycleGAN-VC's objective to those who hear."""
    if modality == "audio":
        yield VoiceObjective
