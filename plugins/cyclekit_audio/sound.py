"""One channel of sound with its rate: what is audible of it, how loud that is, at any rate."""

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np
import torch
from scipy.signal import resample_poly

from cyclekit_audio.inaudible import Array, remove_inaudible
from cyclekit_audio.levels import root_mean_square
from cyclekit_audio.torch_audio import torchaudio

SILENCE = 1e-4  # largest sample of a recording from which nothing can be learned
PLAIN = 1000  # rates whose ratio has larger terms make torchaudio's filters too large


@dataclass(frozen=True)
class Waveform:
    """Sound of one channel.

    Attributes:
        samples: ``(samples,)`` float32, -1 to 1; as they are in the file, offsets included.
        rate: Samples a second.
        channels: How many were mixed down to the one.
        encoding: What it is written in, as libsndfile calls it: ``PCM_16``, ``PCM_24``, ``PCM_32``,
            ``FLOAT`` or ``DOUBLE``.
        cancelled: Whether the channels cancelled each other, so that one of them is used.
    """

    samples: Array
    rate: int
    channels: int = 1
    encoding: str = "PCM_16"
    cancelled: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    @cached_property
    def audible(self) -> Array:
        """The samples without what nobody hears: offset, drift, rumble, single wrong samples."""
        return remove_inaudible(self.samples, self.rate)

    @property
    def level(self) -> float:
        """Root mean square of what is audible."""
        return root_mean_square(self.audible)

    @property
    def silent(self) -> bool:
        """Whether too little is audible to learn anything from."""
        return not np.abs(self.audible).max(initial=0.0) > SILENCE

    def at(self, rate: int) -> Array:
        """What is audible at another rate, by band-limited interpolation."""
        if rate == self.rate:
            return self.audible
        common = gcd(rate, self.rate)
        if max(rate, self.rate) // common > PLAIN:
            odd: Array = resample_poly(self.audible, rate // common, self.rate // common)
            return odd.astype(np.float32)
        wave = torch.from_numpy(np.ascontiguousarray(self.audible))
        resampled: Array = torchaudio().functional.resample(wave, self.rate, rate).numpy()
        return resampled
