"""The WORLD vocoder's view of speech (Morise et al. 2016): pitch, mel cepstrum, aperiodicity.

Needs the extra ``cyclekit[metrics]``, which brings the package ``pyworld-prebuilt``.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from cyclekit.api import Baseline, Metric, Translations
from cyclekit_audio.judging import align, beginning
from cyclekit_audio.levels import sounding
from cyclekit_audio.waveform import UNBOUNDED, Array, Waveform, match_level

RATE = 16_000  # that sounds are brought to; 8,000 where one of a pair has less
ALPHAS = {16_000: 0.42, 8_000: 0.31}  # frequency warping that follows the mel scale best
DEFINITION = (
    "mcd: WORLD at {rate} Hz (Harvest, CheapTrick, 5 ms), mel cepstrum of order 24, alpha {alpha}, "
    "c0 dropped, silent ends cut off, exact time warping; figures of other definitions differ"
)
ORDER = 24  # of the mel cepstrum that is judged
FINE_ORDER = 39  # of the one that is converted
ENROLLED = 30  # seconds of training recordings that a voice's statistics are taken from
PERIOD = 5.0  # milliseconds from frame to frame
PITCHES = (71.0, 800.0)  # Hz that are searched
TO_DECIBELS = 10 * np.sqrt(2) / np.log(10)

Result = TypeVar("Result")

AVAILABLE = find_spec("pyworld") is not None


@dataclass(frozen=True)
class Speech:
    """An analysed sound, a row every 5 ms.

    Attributes:
        pitch: ``(frames,)`` in Hz, 0 where there is no voice.
        envelope: ``(frames, frequencies)``: power.
        samples: What was analysed.
        rate: Its samples a second.
        times: Of each frame, in seconds.
    """

    pitch: Array
    envelope: Array
    samples: Array
    rate: int
    times: Array

    @property
    def voiced(self) -> Array:
        """Which frames have a voice."""
        return self.pitch > 0


def analyse(sound: Waveform, rate: int = RATE, trim: bool = False) -> Speech:
    """Pitch by Harvest, envelope by CheapTrick; silent ends cut off if asked for."""
    samples = sound.at(rate)
    if trim:
        first, last = sounding(samples)
        samples = samples[first:last]
    return _analysed(samples.astype(np.float32).tobytes(), rate)


def side_by_side(
    analysis: Callable[[Waveform], Result], sounds: Iterable[Waveform]
) -> Iterator[Result]:
    """Analyses in the sounds' order, one on each core, which is all that WORLD uses by itself."""
    rest, cores = iter(sounds), os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        while some := list(islice(rest, cores)):
            yield from pool.map(analysis, some)


@lru_cache(maxsize=64)  # every row of a report is compared with the same recordings
def _analysed(float32: bytes, rate: int) -> Speech:
    samples = np.frombuffer(float32, dtype=np.float32).astype(np.float64)
    world = _pyworld()
    low, high = PITCHES
    pitch, times = world.harvest(samples, rate, low, high, PERIOD)
    envelope = world.cheaptrick(samples, pitch, times, rate)
    return Speech(pitch, envelope, samples, rate, times)


def mel_cepstrum(envelope: Array, order: int = ORDER, alpha: float = ALPHAS[RATE]) -> Array:
    """``(frames, order + 1)`` of power envelopes ``(frames, frequencies)``.

    Equal to SPTK's ``sp2mc``: the cepstrum on a frequency axis warped by ``alpha``.
    """
    cepstrum = np.fft.irfft(np.log(envelope), axis=1)[:, : envelope.shape[1]]
    cepstrum[:, 0] /= 2
    return _warped(cepstrum, order, alpha)


def envelope_of(cepstrum: Array, frequencies: int, alpha: float = ALPHAS[RATE]) -> Array:
    """The inverse of ``mel_cepstrum``, smooth as its order makes it."""
    plain = _warped(cepstrum, frequencies - 1, -alpha)
    plain[:, 0] *= 2
    mirrored = np.concatenate([plain, plain[:, -2:0:-1]], axis=1)
    return np.exp(np.fft.rfft(mirrored, axis=1).real)


def score_pairs(sounds: Translations[Waveform], _fitted: Any) -> dict[str, list[float]]:
    """Distances to the truth along the best alignment of mel cepstra.

    ``mcd``: mel cepstral distortion in dB as ``DEFINITION`` says: 10 / ln 10 * sqrt(2 * sum of
    squares), averaged over the path. ``f0_rmse``: of the pitch in cents where both have a voice.
    ``vuv_error``: share of the path where just one has.
    """
    figures: dict[str, list[float]] = {"mcd": [], "vuv_error": [], "f0_rmse": []}
    lowest = min(sound.rate for both in (sounds.outputs, sounds.truths) for sound in both)
    rate = RATE if lowest >= RATE else min(ALPHAS)
    alpha = ALPHAS[rate]
    warnings.warn(DEFINITION.format(rate=rate, alpha=alpha), stacklevel=2)

    def analysed(sound: Waveform) -> Speech:
        return analyse(beginning(sound), rate, trim=True)

    both = (side_by_side(analysed, given) for given in (sounds.outputs, sounds.truths))
    for x, y in zip(*both, strict=True):
        cepstra = [mel_cepstrum(speech.envelope, ORDER, alpha)[:, 1:] for speech in (x, y)]
        path = align(*cepstra)
        difference = cepstra[0][path[0]] - cepstra[1][path[1]]
        distortion = TO_DECIBELS * np.sqrt((difference**2).sum(axis=1)).mean()
        voiced = x.voiced[path[0]], y.voiced[path[1]]
        common, pitch = voiced[0] & voiced[1], math.nan
        if common.any():
            cents = 1200 * np.log2(x.pitch[path[0]][common] / y.pitch[path[1]][common])
            pitch = np.sqrt(np.mean(cents**2))
        for name, value in zip(
            figures, (distortion, np.mean(voiced[0] != voiced[1]), pitch), strict=True
        ):
            figures[name].append(float(value))
    if all(map(math.isnan, figures["f0_rmse"])):
        del figures["f0_rmse"]
    return figures


def match_speech(
    source: Sequence[Waveform], target: Sequence[Waveform]
) -> Callable[[Waveform], Waveform]:
    """Log-Gaussian pitch and the mel cepstrum's mean and deviation, resynthesised by WORLD."""
    (pitch_from, cepstra_from), (pitch_to, cepstra_to) = (
        _statistics(list(side_by_side(_features, _enrolled(sounds)))) for sounds in (source, target)
    )

    def convert(sound: Waveform) -> Waveform:
        speech = analyse(sound)
        world = _pyworld()
        aperiodicity = world.d4c(speech.samples, speech.pitch, speech.times, RATE)
        pitch = np.zeros_like(speech.pitch)
        pitch[speech.voiced] = np.exp(
            _matched(np.log(speech.pitch[speech.voiced]), pitch_from, pitch_to)
        )
        cepstra = mel_cepstrum(speech.envelope, FINE_ORDER)
        cepstra[:, 1:] = _matched(cepstra, cepstra_from, cepstra_to)[:, 1:]  # loudness stays
        envelope = np.ascontiguousarray(envelope_of(cepstra, speech.envelope.shape[1]))
        made = world.synthesize(pitch, envelope, aperiodicity, RATE, PERIOD).astype(np.float32)
        samples = Waveform(made, RATE).at(sound.rate)[: len(sound.samples)]
        samples = np.pad(samples, (0, len(sound.samples) - len(samples)))
        bounded = sound.encoding not in UNBOUNDED
        return replace(sound, samples=match_level(samples, sound.level, bounded))

    return convert


Statistics = tuple[Array, Array]


def _enrolled(sounds: Sequence[Waveform]) -> Iterator[Waveform]:
    """The first of a voice's recordings, as many as ``ENROLLED`` seconds need."""
    seconds = 0.0
    for sound in sounds:
        yield sound
        seconds += sound.seconds
        if seconds >= ENROLLED:
            return


def _features(sound: Waveform) -> tuple[Array, Array]:
    """The log pitch of voiced frames, and the mel cepstrum of all."""
    return _features_of(sound.at(RATE).astype(np.float32).tobytes())


@lru_cache(maxsize=512)  # either direction asks for both voices
def _features_of(float32: bytes) -> tuple[Array, Array]:
    speech = _analysed(float32, RATE)
    return np.log(speech.pitch[speech.voiced]), mel_cepstrum(speech.envelope, FINE_ORDER)


def _statistics(voice: Sequence[tuple[Array, Array]]) -> tuple[Statistics, Statistics]:
    """Mean and deviation of a voice's log pitch and of its mel cepstrum."""
    pitches, cepstra = (np.concatenate(part) for part in zip(*voice, strict=True))
    if not len(pitches):
        raise ValueError("there is no voice in the training recordings")
    return (pitches.mean(0), pitches.std(0)), (cepstra.mean(0), cepstra.std(0))


def _matched(values: Array, source: Statistics, target: Statistics) -> Array:
    moved: Array = (values - source[0]) / np.maximum(source[1], 1e-6) * target[1] + target[0]
    return moved


def _warped(cepstrum: Array, order: int, alpha: float) -> Array:
    """Oppenheim and Johnson's frequency transform (1972) of ``(frames, coefficients)``."""
    made = np.zeros((order + 1, len(cepstrum)))
    for coefficient in cepstrum.T[::-1]:
        before = made.copy()
        made[0] = coefficient + alpha * before[0]
        if order:
            made[1] = (1 - alpha**2) * before[0] + alpha * before[1]
        for n in range(2, order + 1):
            made[n] = before[n - 1] + alpha * (before[n] - made[n - 1])
    return made.T.copy()


def _pyworld() -> ModuleType:
    import pyworld

    module: ModuleType = pyworld
    return module


METRICS = (
    (
        Metric(
            "world",
            {"mcd": False, "f0_rmse": False, "vuv_error": False},
            score_pairs,
            needs_pairs=True,
            protocol=(
                "mcd (dB), f0_rmse, vuv_error: on pairs, WORLD's analysis, along the best "
                "alignment of mel cepstra"
            ),
            costly=True,
        ),
    )
    if AVAILABLE
    else ()
)
BASELINES = (Baseline("world_statistics", match_speech),) if AVAILABLE else ()
