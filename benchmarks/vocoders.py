"""How well spectrograms come back as sound: the mel-consistent Griffin-Lim against librosa's.

    python benchmarks/vocoders.py [FOLDER]

FOLDER holds speech; without one the built-in speakers say something. PESQ (1 to 4.6, wide band) is
shown where it is installed: pip install pesq.
"""

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from cyclekit_audio.codec import AudioCodec, AudioOptions
from cyclekit_audio.metrics import compare_frames
from cyclekit_audio.speakers import SPEAKERS, draw_sentence, say
from cyclekit_audio.waveform import Waveform, read_waveform

ROWS = [("mel-griffin-lim", n) for n in (32, 60, 100)] + [("griffin-lim", n) for n in (32, 60)]
FILES = 8


def speech() -> list[Waveform]:
    if sys.argv[1:]:
        return [read_waveform(file) for file in sorted(Path(sys.argv[1]).glob("*.*"))[:FILES]]
    sentences = [draw_sentence(np.random.default_rng(n)) for n in range(FILES // 2)]
    return [
        say(sentence, speaker, np.random.default_rng(0))
        for sentence in sentences
        for speaker in SPEAKERS.values()
    ]


def opinion(made: Waveform, sound: Waveform) -> float:
    if find_spec("pesq") is None:
        return float("nan")
    from pesq import pesq

    return float(pesq(16_000, sound.at(16_000), made.at(16_000), "wb"))


def main() -> None:
    torch.set_num_threads(1)
    sounds = speech()
    lasting = sum(sound.seconds for sound in sounds)
    print(f"{'vocoder':18}{'rounds':>7}{'mel L1':>9}{'PESQ':>7}{'time / sound':>14}")
    for name, rounds in ROWS:
        codec = AudioCodec(
            AudioOptions.model_validate({"vocoder": {"name": name, "iterations": rounds}})
        )
        samples = [codec.encode(sound, "a") for sound in sounds]
        start = time.perf_counter()
        made = [codec.decode(sample.tensor, "a", sample.meta) for sample in samples]
        taken = time.perf_counter() - start
        pairs = list(zip(made, sounds, strict=True))
        distance = mean(compare_frames(*pair) for pair in pairs)
        score = mean(opinion(*pair) for pair in pairs)
        print(f"{name:18}{rounds:7}{distance:9.3f}{score:7.2f}{taken / lasting:14.2f}")


if __name__ == "__main__":
    main()
