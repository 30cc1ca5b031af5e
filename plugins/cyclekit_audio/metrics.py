"""How near a conversion comes to the truth, and whether it still moves as speech does."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.fft import dct

from cyclekit.api import Metric, Translations, install_command
from cyclekit_audio import judges, words, world
from cyclekit_audio.judging import align, log_mel
from cyclekit_audio.waveform import Array, Waveform

CEPSTRA = 24  # coefficients of the mel cepstrum that modulation is measured on
SEGMENT = 64  # frames of a modulation spectrum


def score_pairs(sounds: Translations[Waveform], _fitted: Any) -> dict[str, list[float]]:
    """``mel_l1``: mean distance of log-mel spectrograms to the truth's, along the best alignment.

    Natural logarithms, HiFi-GAN's bands at 22,050 Hz, both sounds at one level, floor at 1e-3.
    """
    if not world.AVAILABLE:
        warnings.warn(
            f"mcd, f0_rmse and a conversion by WORLD are left out: {install_command('metrics')}",
            stacklevel=2,
        )
    return {"mel_l1": list(map(compare_mels, sounds.outputs, sounds.truths))}


def score_movement(sounds: Translations[Waveform], _fitted: Any) -> dict[str, float | list[float]]:
    """``modulation``: how differently outputs and target recordings move, in dB.

    Root mean square difference of the collections' mean log modulation spectra: magnitudes of the
    Fourier transform over 64 frames of the mel cepstrum's coefficients 1 to 24. Too smooth speech,
    the usual fault of learned converters, shows here (compare Takamichi et al. 2016).
    ``duration_ratio``: output's length by source's.
    """
    made, wanted = _modulation(sounds.outputs), _modulation(sounds.targets)
    ratios = [x.seconds / y.seconds for x, y in zip(sounds.outputs, sounds.inputs, strict=True)]
    return {
        "modulation": float(np.sqrt(np.mean((made - wanted) ** 2))),
        "duration_ratio": ratios,
    }


def score_cycle(sounds: Translations[Waveform], _fitted: Any) -> dict[str, list[float]]:
    """``cycle_mel_l1``: the same distance after the way there and back, frame by frame."""
    return {"cycle_mel_l1": list(map(compare_frames, sounds.inputs, sounds.cycled))}


def compare_mels(made: Waveform, truth: Waveform) -> float:
    """Mean absolute difference of aligned log-mel spectrograms."""
    x, y = log_mel(made), log_mel(truth)
    path = align(x, y)
    return float(np.abs(x[path[0]] - y[path[1]]).mean())


def compare_frames(made: Waveform, wanted: Waveform) -> float:
    """Mean absolute difference of log-mel spectrograms of equal length."""
    return float(np.abs(log_mel(made) - log_mel(wanted)).mean())


def _modulation(sounds: Sequence[Waveform]) -> Array:
    """``(modulation frequencies, cepstra)`` in dB, averaged over all segments."""
    spectra = []
    window = np.hanning(SEGMENT)[None, :, None]
    for sound in sounds:
        cepstra = dct(log_mel(sound), norm="ortho")[:, 1 : CEPSTRA + 1]
        short = max(SEGMENT - len(cepstra), 0)
        cepstra = np.pad(cepstra, ((0, short), (0, 0)), mode="edge")
        starts = range(0, len(cepstra) - SEGMENT + 1, SEGMENT // 2)
        segments = np.stack([cepstra[start : start + SEGMENT] for start in starts])
        moving = (segments - segments.mean(axis=1, keepdims=True)) * window
        spectra.append(20 * np.log10(np.abs(np.fft.rfft(moving, axis=1))[:, 1:] + 1e-6))
    mean: Array = np.concatenate(spectra).mean(axis=0)
    return mean


METRICS = (
    Metric(
        "pairs",
        {"mel_l1": False},
        score_pairs,
        needs_pairs=True,
        protocol="mel_l1: on pairs, natural log mels at 22,050 Hz, one level, best alignment",
    ),
    Metric(
        "movement",
        {"modulation": False},
        score_movement,
        protocol="modulation: dB, outputs against all test recordings of the target",
    ),
    Metric(
        "cycle",
        {"cycle_mel_l1": False},
        score_cycle,
        needs_cycle=True,
        protocol="cycle_mel_l1: after the way there and back, frame by frame",
    ),
    *world.METRICS,
    *judges.METRICS,
    *words.METRICS,
)
