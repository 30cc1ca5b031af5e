"""Log-mel spectrograms: what exactly they are, and how they are computed."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from cyclekit.api import Options
from cyclekit_audio.torch_audio import torchaudio

PresetName = Literal["hifigan", "melgan", "16k"]
_SHARED = {"fft": 1024, "hop": 256, "window": 1024, "bins": 80, "low": 0.0, "floor": 1e-5}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    # HiFi-GAN V1 to V3 and BigVGAN's 22 kHz model
    "hifigan": {**_SHARED, "rate": 22_050, "high": 8000.0, "log": "natural", "epsilon": 1e-9},
    # MelGAN, on which MaskCycleGAN-VC builds
    "melgan": {**_SHARED, "rate": 22_050, "high": 11_025.0, "log": "decimal", "epsilon": 0.0},
    # for telephone-band and 16 kHz corpora
    "16k": {**_SHARED, "rate": 16_000, "high": 8000.0, "log": "natural", "epsilon": 1e-9},
}
AT_ONCE = 4096  # frames: a spectrum takes six times the memory of its bands
SHORTEST = 2  # frames: fewer cannot be mirrored at their ends

Count = Annotated[int, Field(ge=1)]


class MelOptions(Options):
    """A log-mel spectrogram in full. What a table does not say comes from its preset."""

    preset: PresetName = "hifigan"
    """Conventions of a vocoder: `hifigan`, `melgan` (natural against decimal logarithms, 8 against
    11 kHz) or `16k`."""
    rate: Annotated[int, Field(ge=4000, le=96_000)] = 22_050
    """Samples a second; everything is brought to it."""
    fft: Count = 1024
    """Samples of a Fourier transform."""
    hop: Count = 256
    """Samples from one frame to the next (hop length)."""
    window: Count = 1024
    """Samples of the Hann window."""
    bins: Annotated[int, Field(ge=8, le=256)] = 80
    """Mel bands, on Slaney's scale, each of unit area."""
    low: Annotated[float, Field(ge=0)] = 0.0
    """Lower end of the lowest band in Hz."""
    high: Annotated[float, Field(gt=0)] = 8000.0
    """Upper end of the highest band in Hz."""
    log: Literal["natural", "decimal"] = "natural"
    """Base of the logarithm."""
    floor: Annotated[float, Field(gt=0)] = 1e-5
    """Smallest magnitude: softer is taken for this."""
    epsilon: Annotated[float, Field(ge=0)] = 1e-9
    """Added under the root of the power spectrum."""

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"preset": given}
        if not isinstance(given, Mapping):
            return given
        return {**PRESETS.get(given.get("preset", "hifigan"), {}), **given}

    @model_validator(mode="after")
    def _consistent(self) -> "MelOptions":
        if not self.hop <= self.window <= self.fft or (self.fft - self.hop) % 2:
            raise ValueError(
                f"codec.mel needs hop <= window <= fft, an even number apart; found "
                f"{self.hop}, {self.window}, {self.fft}"
            )
        if not self.low < self.high <= self.rate / 2:
            raise ValueError(
                f"codec.mel bands must lie below half the rate of {self.rate}; found "
                f"{self.low:g} to {self.high:g} Hz"
            )
        return self

    @property
    def fingerprint(self) -> Tensor:
        """All of it as numbers, to travel in checkpoints."""
        numbers = self.model_dump(exclude={"preset", "log"}).values()
        return torch.tensor([*numbers, self.log == "decimal"], dtype=torch.float64)


class MelSpectrogram:
    """Computes log-mel spectrograms in HiFi-GAN's framing.

    A signal is mirrored by ``(fft - hop) / 2`` at both ends, so that ``n`` samples give
    ``n / hop`` frames and frame ``t`` has its middle in the middle of hop ``t``.
    """

    def __init__(self, options: MelOptions) -> None:
        self.options = options
        self.margin = (options.fft - options.hop) // 2

    @cached_property
    def filters(self) -> Tensor:
        """``(mel bands, frequencies)``: the weight of each frequency in each band."""
        options = self.options
        banks: Tensor = torchaudio().functional.melscale_fbanks(
            options.fft // 2 + 1,
            options.low,
            options.high,
            options.bins,
            options.rate,
            norm="slaney",
            mel_scale="slaney",
        )
        return banks.T.contiguous()

    @cached_property
    def inverse(self) -> Tensor:
        """The filters' pseudo-inverse, ``(frequencies, mel bands)``."""
        inverse: Tensor = torch.linalg.pinv(self.filters)
        return inverse

    @cached_property
    def window(self) -> Tensor:
        """The window, in the middle of ``fft`` samples."""
        margin = self.options.fft - self.options.window
        window = torch.hann_window(self.options.window)
        return F.pad(window, (margin // 2, margin - margin // 2))

    def frames(self, samples: int) -> int:
        """Frames of a signal of so many samples."""
        return max(-(-samples // self.options.hop), SHORTEST)

    def spectrum(self, padded: Tensor) -> Tensor:
        """``(batch, samples)`` with margins -> complex ``(batch, frequencies, frames)``."""
        return torch.stft(
            padded,
            self.options.fft,
            self.options.hop,
            window=self.window.to(padded),
            center=False,
            return_complex=True,
        )

    def signal(self, spectrum: Tensor) -> Tensor:
        """The signal, margins included, whose spectrum is nearest (Griffin and Lim 1984, eq. 6)."""
        options, window = self.options, self.window.to(spectrum.real)
        frames = torch.fft.irfft(spectrum, options.fft, dim=1) * window[:, None]
        length = (spectrum.shape[-1] - 1) * options.hop + options.fft
        weights = (window**2)[None, :, None].expand(1, -1, spectrum.shape[-1])
        return self._added(frames, length) / self._added(weights, length).clamp(min=1e-6)

    def padded(self, wave: Tensor) -> Tensor:
        """``(batch, samples)`` filled up to whole frames, mirrored at both ends."""
        missing = self.frames(wave.shape[-1]) * self.options.hop - wave.shape[-1]
        wave = F.pad(wave, (0, missing))
        margin = min(self.margin, wave.shape[-1] - 1)
        wave = F.pad(wave, (margin, margin), mode="reflect")
        return F.pad(wave, (self.margin - margin, self.margin - margin))

    def compress(self, magnitudes: Tensor) -> Tensor:
        """Mel magnitudes -> their logarithms, not below the floor."""
        magnitudes = magnitudes.clamp(min=self.options.floor)
        return magnitudes.log() if self.options.log == "natural" else magnitudes.log10()

    def expand(self, log_mel: Tensor) -> Tensor:
        """The inverse of ``compress``."""
        return log_mel.exp() if self.options.log == "natural" else 10**log_mel

    def __call__(self, wave: Tensor) -> Tensor:
        """``(batch, samples)`` -> ``(batch, mel bands, frames)``."""
        options, filters = self.options, self.filters.to(wave)
        padded = self.padded(wave)
        parts = []
        for first in range(0, self.frames(wave.shape[-1]) * options.hop, AT_ONCE * options.hop):
            part = padded[:, first : first + (AT_ONCE - 1) * options.hop + options.fft]
            power = self.spectrum(part).abs().square()
            parts.append(self.compress(filters @ (power + options.epsilon).sqrt()))
        return torch.cat(parts, dim=-1)

    def _added(self, frames: Tensor, length: int) -> Tensor:
        """``(batch, fft, frames)`` overlapped and added: ``(batch, length)``."""
        folded = F.fold(frames, (1, length), (1, self.options.fft), stride=(1, self.options.hop))
        return folded[:, 0, 0]
