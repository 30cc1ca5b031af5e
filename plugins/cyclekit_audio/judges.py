"""Trained judges: who is speaking (Resemblyzer), and how natural it sounds (DNSMOS).

Resemblyzer's own dependency does not build everywhere, so it is installed by hand:
``pip install webrtcvad-wheels && pip install --no-deps resemblyzer``.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cyclekit.api import Metric, Translations
from cyclekit_audio.waveform import Array, Waveform

RATE = 16_000
STRETCH = 9.01  # seconds that DNSMOS listens to at once
ENROLLED = 50  # training recordings that make a voice's portrait

Portraits = dict[str, Array]


def draw_portraits(voices: Mapping[str, Sequence[Waveform]], seed: int, cache: Path) -> Portraits:
    """Mean embedding of each voice's training recordings."""
    portraits = {}
    for domain, sounds in voices.items():
        mean = np.mean([_embed(sound) for sound in sounds[:ENROLLED]], axis=0)
        portraits[domain] = mean / np.linalg.norm(mean)
    return portraits


def score_similarity(
    sounds: Translations[Waveform], portraits: Portraits
) -> dict[str, list[float]]:
    """``similarity_target``, ``similarity_source``: cosine of speaker embeddings (Wan et al.,
    arXiv 1710.10467) with the mean of either voice's training recordings.
    """
    made = np.stack([_embed(sound) for sound in sounds.outputs])
    return {
        "similarity_target": (made @ portraits[sounds.target]).tolist(),
        "similarity_source": (made @ portraits[sounds.source]).tolist(),
    }


def score_naturalness(sounds: Translations[Waveform], _fitted: Any) -> dict[str, list[float]]:
    """``dnsmos``: the opinion score that listeners would give, 1 to 5 (P.808, arXiv 2010.15258)."""
    return {"dnsmos": [_opinion(sound) for sound in sounds.outputs]}


def _opinion(sound: Waveform) -> float:
    """DNSMOS's score: the mean over stretches of 9.01 s, a second apart; short ones doubled."""
    import librosa

    wave, length = sound.at(RATE), int(STRETCH * RATE)
    while 0 < len(wave) < length:
        wave = np.append(wave, wave)
    scores = []
    for second in range(int(len(wave) // RATE - STRETCH) + 1):
        stretch = wave[second * RATE :][: length - 160]
        mel = librosa.feature.melspectrogram(
            y=stretch, sr=RATE, n_fft=321, hop_length=160, n_mels=120
        )
        levels = (librosa.power_to_db(mel, ref=np.max) + 40) / 40
        scores.append(_opinions().run(None, {"input_1": levels.T[None].astype(np.float32)})[0])
    return float(np.mean(scores))


@cache
def _opinions() -> Any:
    # speechmos's own code computes three more scores, which takes forty times as long.
    import onnxruntime

    model = files("speechmos") / "dnsmos_models" / "model_v8.onnx"
    return onnxruntime.InferenceSession(str(model))


def _embed(sound: Waveform) -> Array:
    from resemblyzer import preprocess_wav

    embedding: Array = _encoder().embed_utterance(preprocess_wav(sound.audible, sound.rate))
    return embedding


@cache
def _encoder() -> Any:
    from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def _present(*packages: str) -> bool:
    return all(find_spec(package) is not None for package in packages)


METRICS = (
    *(
        [
            Metric(
                "similarity",
                {"similarity_target": True, "similarity_source": False},
                score_similarity,
                fit=draw_portraits,
                protocol=(
                    f"similarity_target, similarity_source: Resemblyzer's cosine with the mean of "
                    f"each voice's first {ENROLLED} training recordings"
                ),
            )
        ]
        if _present("resemblyzer", "webrtcvad")
        else []
    ),
    *(
        [
            Metric(
                "naturalness",
                {"dnsmos": True},
                score_naturalness,
                protocol="dnsmos: DNSMOS P.808, 1 to 5, stretches of 9.01 s a second apart",
            )
        ]
        if _present("speechmos", "onnxruntime")
        else []
    ),
)
