"""Music: MIDI on the beat grid, the networks of Brunner et al., a genre classifier as the judge."""

from collections.abc import Iterator
from functools import partial

from cyclekit.api import Modality, hookimpl
from cyclekit_music.codec import MusicCodec
from cyclekit_music.compose import make_charts
from cyclekit_music.metrics import BASELINES, METRICS
from cyclekit_music.networks import DISCRIMINATORS, GENERATORS
from cyclekit_music.planner import propose


@hookimpl
def cyclekit_modality() -> Iterator[Modality]:
    """Offer the ``music`` modality."""
    yield Modality(
        name="music",
        api=2,
        summary="Music: MIDI files as piano rolls on the beat grid",
        codec=MusicCodec,
        generators=GENERATORS,
        discriminators=DISCRIMINATORS,
        metrics=METRICS,
        baselines=BASELINES,
        datasets={"charts": make_charts, "charts-paired": partial(make_charts, paired=True)},
        planner=propose,
    )
