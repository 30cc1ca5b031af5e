"""Translate a sound with a model that `cyclekit export` wrote: SCRIPT MODEL INPUT OUTPUT.

Needs onnxruntime, numpy, scipy, soundfile and librosa.
"""

import argparse
import json
import math
import sys
from functools import cached_property
from typing import Any

import librosa
import numpy as np
import onnxruntime
import soundfile
from scipy.signal import resample_poly

from cyclekit_audio.inaudible import Array, remove_inaudible
from cyclekit_audio.levels import LEVEL, UNBOUNDED, match_level, root_mean_square, sounding


def main(
    model: str, source: str, output: str, to: str | None, origin: str | None, seed: int
) -> None:
    """Read a sound, run the model on the whole of it, write the result as WAV."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["cyclekit"])
    samples, rate, encoding = read(source, about["settings"])
    audible = remove_inaudible(samples, rate)
    bands = Bands(about["codec"], about["settings"], f"{model}.vocoder.onnx")
    log_mel = bands.encode(resampled(audible, rate, bands.rate))
    inputs = {
        "input": bands.normalised(log_mel, about["learned"][origin or about["source"]])[None, None]
    }
    target = to or about["target"]
    if "label" in about:
        targets = about["label"]["targets"]
        label = targets.get(target) or sys.exit(f"--to: {', '.join(targets)}")
        inputs["label"] = np.array([label], np.float32)
    if "code" in about:  # a voice of many; another seed, another voice
        shape = (1, about["code"]["size"])
        inputs["code"] = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    (made,) = session.run(["output"], inputs)
    sound = bands.decode(bands.restored(made[0, 0], about["learned"][target]))
    sound = resampled(remove_inaudible(sound, bands.rate), bands.rate, rate)[: len(samples)]
    sound = np.pad(sound, (0, len(samples) - len(sound)))
    level = root_mean_square(audible)
    sound = match_level(sound, level, bounded=encoding not in UNBOUNDED)
    soundfile.write(output, sound, rate, subtype=encoding, format="WAV")


def read(file: str, settings: dict[str, Any]) -> tuple[Array, int, str]:
    """A file's mean of channels, or the loudest where they cancel; its rate and encoding."""
    with soundfile.SoundFile(file) as opened:
        samples = opened.read(dtype="float32", always_2d=True)
        rate, encoding = opened.samplerate, settings["depths"].get(opened.subtype, "PCM_16")
    mean = samples.mean(axis=1)
    energies = np.square(samples, dtype=np.float64).sum(axis=0)
    left = np.square(mean, dtype=np.float64).sum()
    if samples.shape[1] > 1 and left < settings["cancelled"] * energies.sum() / len(energies) ** 2:
        mean = samples[:, energies.argmax()].copy()
    return mean, rate, encoding


def resampled(wave: Array, rate: int, wanted: int) -> Array:
    """A sound at another rate, by sinc interpolation with a Hann window of six zeros a side."""
    common = math.gcd(rate, wanted)
    old, new = rate // common, wanted // common
    if old == new:
        return wave
    if max(old, new) > 1000:
        odd: Array = resample_poly(wave, new, old)
        return odd.astype(np.float32)
    zeros, cut = 6, 0.99 * min(old, new)
    width = math.ceil(zeros * old / cut)
    place = np.arange(-width, width + old) / old - np.arange(new)[:, None] / new
    place = np.clip(place * cut, -zeros, zeros)
    kernels = np.sinc(place) * np.cos(place * np.pi / zeros / 2) ** 2 * cut / old
    padded = np.pad(wave, (width, width + old))
    parts = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[1])[::old]
    made: Array = (parts @ kernels.astype(np.float32).T).reshape(-1)
    return made[: math.ceil(new * len(wave) / old)]


class Bands:
    """Log-mel spectrograms, ``(bands, frames)``, and sound made of them again.

    Args:
        codec: Settings of the run's codec.
        settings: What else it goes by.
        vocoder: The file of the vocoder, where it is a network.
    """

    def __init__(self, codec: dict[str, Any], settings: dict[str, Any], vocoder: str) -> None:
        self.network = None
        if settings["vocoder"] == "network":
            providers = ["CPUExecutionProvider"]
            self.network = onnxruntime.InferenceSession(vocoder, providers=providers)
        self.codec, self.settings, mel = codec, settings, codec["mel"]
        self.rate, self.fft, self.hop = mel["rate"], mel["fft"], mel["hop"]
        self.floor, self.epsilon = mel["floor"], mel["epsilon"]
        self.decimal = mel["log"] == "decimal"
        self.margin = (self.fft - self.hop) // 2
        around = self.fft - mel["window"]
        window = np.hanning(mel["window"] + 1)[:-1].astype(np.float32)
        self.window = np.pad(window, (around // 2, around - around // 2))
        self.filters = librosa.filters.mel(
            sr=self.rate, n_fft=self.fft, n_mels=mel["bins"], fmin=mel["low"], fmax=mel["high"]
        )

    @cached_property
    def inverse(self) -> Array:
        """The filters' pseudo-inverse."""
        return np.linalg.pinv(self.filters)

    def encode(self, wave: Array) -> Array:
        """Samples at the bands' rate to log-mel magnitudes."""
        first, last = sounding(wave, self.codec["trim"]) if self.codec["trim"] else (0, len(wave))
        if self.codec["level"] == "even":
            wave = wave * np.float32(LEVEL / max(root_mean_square(wave[first:last]), 1e-9))
        if self.codec["dither"]:
            noise = np.random.default_rng(0).standard_normal(len(wave), dtype=np.float32)
            wave = wave + np.float32(LEVEL * 10 ** (-self.codec["dither"] / 20)) * noise
        frames = max(-(-len(wave) // self.hop), self.settings["shortest"])
        wave = np.pad(wave, (0, frames * self.hop - len(wave)))
        margin = min(self.margin, len(wave) - 1)
        wave = np.pad(wave, margin, mode="reflect")
        power = np.abs(self.spectrum(np.pad(wave, self.margin - margin))) ** 2
        return self.compress(self.filters @ np.sqrt(power + self.epsilon))

    def normalised(self, log_mel: Array, learned: list[list[float]]) -> Array:
        """What the network takes: every band with mean 0 and deviation 1 over its voice."""
        mean, deviation = np.asarray(learned, np.float32)[:, :, None]
        if self.codec["fade"]:
            log_mel = self.compress(self.expand(log_mel) + self.codec["fade"])
        normal: Array = ((log_mel - mean) / deviation).astype(np.float32)
        return normal

    def restored(self, made: Array, learned: list[list[float]]) -> Array:
        """The inverse of ``normalised``, of what the network gave."""
        mean, deviation = np.asarray(learned, np.float32)[:, :, None]
        log_mel = made * deviation + mean
        if self.codec["fade"]:
            log_mel = self.compress(self.expand(log_mel) - self.codec["fade"])
        loudest = self.settings["loudest"]
        clipped: Array = np.nan_to_num(log_mel).clip(-loudest, loudest)
        return clipped

    def decode(self, log_mel: Array) -> Array:
        """Log-mel magnitudes to samples, chunk after chunk, each begun as the last one ended."""
        chunk, overlap = self.settings["chunk"], self.settings["overlap"]
        frames, agreed = log_mel.shape[1], overlap // 2 * self.hop
        wave = np.zeros(frames * self.hop, np.float32)
        fade = np.linspace(0, 1, agreed, dtype=np.float32)
        for start in range(0, max(frames - overlap, 1), chunk - overlap):
            first = start * self.hop
            known = wave[first : first + agreed].copy() if start else wave[:0]
            made = self.sound(log_mel[:, start : start + chunk], known)
            if len(known):
                made[:agreed] = known + fade * (made[:agreed] - known)
            wave[first : first + len(made)] = made
        return wave

    def sound(self, log_mel: Array, known: Array) -> Array:
        """Log-mel magnitudes of some frames to samples, by the run's vocoder."""
        if self.network is None:
            return self.griffin_lim(log_mel, known)
        (made,) = self.network.run(["output"], {"input": log_mel[None]})
        samples: Array = made.reshape(-1).copy()
        return samples

    def griffin_lim(self, log_mel: Array, known: Array) -> Array:
        """Sound whose bands are as wanted, beginning with what is known: cyclekit's vocoder."""
        wanted, filters = self.expand(log_mel), self.filters
        size = np.maximum(self.inverse @ wanted, 1e-6)
        for _ in range(20):
            size *= (filters.T @ wanted) / np.maximum(filters.T @ (filters @ size), 1e-10)
        drawn = np.random.RandomState(0).randint(0, 2**32, size.shape, dtype=np.uint32)
        phase = (drawn & (2**24 - 1)) / np.float32(2**24)
        spectrum = size * np.exp(2j * np.pi * phase)
        share = filters.sum(axis=0)[:, None]
        previous = None
        for _ in range(self.codec["vocoder"]["iterations"]):
            consistent = self.spectrum(self.begun(self.signal(spectrum), known))
            ahead = consistent
            if previous is not None:
                ahead = consistent + self.settings["momentum"] * (consistent - previous)
            previous = consistent
            ratio = filters.T @ (wanted / np.maximum(filters @ np.abs(ahead), 1e-10))
            spectrum = ahead * np.where(share > 0, ratio / np.maximum(share, 1e-10), 0.1)
        wave = self.begun(self.signal(spectrum), known)
        return wave[self.margin : len(wave) - self.margin]

    def begun(self, wave: Array, known: Array) -> Array:
        """A signal with its beginning replaced by what is known."""
        wave[self.margin : self.margin + len(known)] = known
        return wave

    def spectrum(self, padded: Array) -> Array:
        """``(samples,)`` with margins to complex ``(frequencies, frames)``."""
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.fft)[:: self.hop]
        made: Array = np.fft.rfft(frames * self.window).T
        return made

    def signal(self, spectrum: Array) -> Array:
        """The signal, margins included, whose spectrum is nearest."""
        frames = np.fft.irfft(spectrum.T, self.fft) * self.window
        made = np.zeros((len(frames) - 1) * self.hop + self.fft)
        weights = np.zeros_like(made)
        for number, frame in enumerate(frames):
            place = slice(number * self.hop, number * self.hop + self.fft)
            made[place] += frame
            weights[place] += self.window**2
        near: Array = made / np.maximum(weights, 1e-6)
        return near

    def compress(self, magnitudes: Array) -> Array:
        """Magnitudes to their logarithms, not below the floor."""
        magnitudes = np.maximum(magnitudes, self.floor)
        logarithms: Array = np.log10(magnitudes) if self.decimal else np.log(magnitudes)
        return logarithms

    def expand(self, log_mel: Array) -> Array:
        """The inverse of ``compress``."""
        magnitudes: Array = 10**log_mel if self.decimal else np.exp(log_mel)
        return magnitudes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "source", "output"):
        parser.add_argument(name)
    parser.add_argument("--to", help="one of the model's targets")
    parser.add_argument("--from", dest="origin", help="the sound's own domain")
    parser.add_argument("--seed", type=int, default=0, help="chooses the code")
    sys.excepthook = lambda kind, error, trace: print(f"error: {error}", file=sys.stderr)
    main(**vars(parser.parse_args()))
