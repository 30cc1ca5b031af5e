"""Built-in data: two speakers of a made-up language, synthesised with a source-filter model.

A speaker is a larynx and a vocal tract (Fant 1960); what is said is a sequence of phones with
durations and an intonation. Both speakers say the same test sentences in the same time, so that
every test recording has a true counterpart; what they say for training is theirs alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import istft, stft

from cyclekit_audio.waveform import Array, Waveform, write_waveform

RATE = 16_000
FRAME, HOP = 512, 128  # samples
TRAIN, TEST = 100, 10
PHONES = (9, 14)  # of a sentence, at least and fewer than
STRENGTHS = np.array([1.0, 0.7, 0.45, 0.35])  # of the four formants
ROOM = 2e-4  # noise of the room that they are in
GLIDE = 0.018  # seconds within which the tract moves from phone to phone


@dataclass(frozen=True)
class Phone:
    """A posture of the vocal tract.

    Attributes:
        formants: Resonances of an average tract in Hz.
        voicing: Strength of the larynx's pulses.
        noise: Strength of the noise at a narrow place, and where its band lies in Hz.
        seconds: Typical duration.
    """

    formants: tuple[float, float, float, float]
    voicing: float
    noise: tuple[float, float] = (0.0, 4000.0)
    seconds: float = 0.13


PHONE_SET = (
    Phone((300, 2250, 2950, 3600), 1.0),  # i
    Phone((520, 1850, 2550, 3500), 1.0),  # e
    Phone((740, 1250, 2550, 3500), 1.0, seconds=0.16),  # a
    Phone((500, 880, 2500, 3400), 1.0),  # o
    Phone((320, 800, 2350, 3400), 1.0),  # u
    Phone((260, 1150, 2200, 3300), 0.35, seconds=0.08),  # m
    Phone((330, 1300, 2600, 3300), 0.6, seconds=0.07),  # l
    Phone((300, 1700, 2600, 3600), 0.0, (0.5, 6000), seconds=0.10),  # s
    Phone((300, 1600, 2400, 3400), 0.0, (0.5, 3200), seconds=0.10),  # sh
    Phone((300, 1600, 2600, 3400), 0.0, (0.0, 4000), seconds=0.06),  # the silence of a stop
)


@dataclass(frozen=True)
class Speaker:
    """What makes a voice.

    Attributes:
        pitch: Of the larynx, in Hz.
        liveliness: How far the pitch rises and falls, in octaves.
        tract: Formants by those of an average tract: above 1 for a short one.
        tilt: How much softer the source is an octave up, in dB.
        breath: Noise that escapes with the voice.
    """

    pitch: float
    liveliness: float
    tract: float
    tilt: float
    breath: float


SPEAKERS = {
    "A": Speaker(pitch=132, liveliness=0.25, tract=1.12, tilt=7.5, breath=0.04),
    "B": Speaker(pitch=132, liveliness=0.25, tract=0.90, tilt=2.0, breath=0.01),
}


@dataclass(frozen=True)
class Sentence:
    """What is said: phones, their seconds, and an intonation of -1 to 1 for each."""

    phones: tuple[int, ...]
    seconds: tuple[float, ...]
    intonation: tuple[float, ...]


def make_speakers(folder: Path, seed: int, paired: bool = False) -> None:
    """Write ``trainA``, ``trainB``, and true pairs in ``testA``, ``testB``.

    Args:
        folder: Where.
        seed: Decides what is said.
        paired: Have both say the same in training, too, in the same time.
    """
    other = 0 if paired else 1
    splits = (
        ("trainA", TRAIN, 0), ("trainB", TRAIN, other), ("testA", TEST, 2), ("testB", TEST, 2)
    )  # fmt: skip
    for name, count, stream in splits:
        rng = np.random.default_rng([seed, stream])
        (folder / name).mkdir(parents=True)
        for index in range(count):
            sound = say(
                draw_sentence(rng), SPEAKERS[name[-1]], np.random.default_rng([seed, index])
            )
            write_waveform(sound, folder / name / f"{index:04d}")


def draw_sentence(rng: np.random.Generator) -> Sentence:
    """Phones in random order, none twice in a row, vowels every other time."""
    phones: list[int] = []
    for place in range(int(rng.integers(*PHONES))):
        vowel = place % 2 == 1
        choice = rng.integers(0, 5) if vowel else rng.integers(5, len(PHONE_SET))
        phones.append(int(choice))
    seconds = [PHONE_SET[phone].seconds * rng.uniform(0.75, 1.4) for phone in phones]
    swing = rng.uniform(-1, 1, len(phones)) - np.linspace(-0.5, 0.5, len(phones))
    return Sentence(tuple(phones), tuple(seconds), tuple(swing.clip(-1, 1)))


def say(sentence: Sentence, speaker: Speaker, rng: np.random.Generator) -> Waveform:
    """A sentence in a speaker's voice, a tenth of a second of silence around it."""
    ends = np.cumsum((0.1, *sentence.seconds))
    frames = int((ends[-1] + 0.1) * RATE) // HOP
    time = np.arange(frames) * HOP / RATE
    place = np.searchsorted(ends, time, side="right") - 1
    spoken = (place >= 0) & (place < len(sentence.phones))
    posture = [PHONE_SET[sentence.phones[p]] for p in place.clip(0, len(sentence.phones) - 1)]

    def glide(values: Any) -> Array:
        smooth: Array = gaussian_filter1d(np.array(values, float), GLIDE * RATE / HOP, axis=0)
        return smooth

    formants = glide([p.formants for p in posture]) * speaker.tract
    voicing = glide([p.voicing * s for p, s in zip(posture, spoken, strict=True)])
    noise = glide([p.noise[0] * s for p, s in zip(posture, spoken, strict=True)])
    band = glide([p.noise[1] for p in posture])
    rises = np.interp(time, (ends[:-1] + ends[1:]) / 2, sentence.intonation)
    pitch = speaker.pitch * 2 ** (speaker.liveliness * glide(rises))

    samples = frames * HOP
    pulses = _larynx(np.interp(np.arange(samples) / RATE, time, pitch), speaker.tilt)
    hiss = rng.standard_normal(samples)
    frequencies = np.linspace(0, RATE / 2, FRAME // 2 + 1)
    tract = _resonances(frequencies, formants)
    place_of_noise = np.exp(-(((frequencies - band[:, None]) / 1500) ** 2))
    voice = _filtered(pulses + speaker.breath * hiss, tract * voicing[:, None])
    rush = _filtered(hiss, 0.15 * place_of_noise * noise[:, None])
    sound = 0.5 * (voice + rush) / np.abs(voice + rush).max()
    return Waveform((sound + ROOM * rng.standard_normal(samples)).astype(np.float32), RATE)


def _larynx(pitch: Array, tilt: float) -> Array:
    """Harmonics of a pitch that changes with time, falling off by ``tilt`` dB an octave."""
    fundamental = np.cos(2 * np.pi * np.cumsum(pitch) / RATE)
    before, harmonic = np.ones_like(fundamental), fundamental
    pulses = np.zeros_like(fundamental)
    for n in range(1, int(RATE / 2 / pitch.max())):
        pulses += n ** (-tilt / 6.02) * harmonic
        before, harmonic = harmonic, 2 * fundamental * harmonic - before  # Chebyshev's recurrence
    return pulses


def _resonances(frequencies: Array, formants: Array) -> Array:
    """``(frames, frequencies)``: gain of a tract with these formants, side by side."""
    frequency = frequencies[None, :, None] + 1.0
    centre = formants[:, None, :]
    width = 60 + 0.08 * centre
    detuned = (frequency**2 - centre**2) / (frequency * width)
    gain: Array = (STRENGTHS / (1 + detuned**2) ** 0.8).sum(axis=2)
    return gain


def _filtered(source: Array, gain: Array) -> Array:
    """A source through a filter that changes with time: ``(frames, frequencies)``."""
    _, _, spectrum = stft(source, nperseg=FRAME, noverlap=FRAME - HOP)
    frames = min(spectrum.shape[1], len(gain))
    shaped = np.zeros_like(spectrum)
    shaped[:, :frames] = spectrum[:, :frames] * gain[:frames].T
    sound: Array
    _, sound = istft(shaped, nperseg=FRAME, noverlap=FRAME - HOP)
    return sound[: len(source)]
