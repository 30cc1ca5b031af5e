"""Conversions that need no network: the same statistics, applied to every frame."""

from collections.abc import Callable, Sequence

from cyclekit.api import Baseline
from cyclekit_audio import world
from cyclekit_audio.codec import AudioCodec, AudioOptions
from cyclekit_audio.waveform import Waveform


def match_mels(
    source: Sequence[Waveform], target: Sequence[Waveform]
) -> Callable[[Waveform], Waveform]:
    """Give every mel band the target voice's mean and deviation.

    In HiFi-GAN's spectrograms and with Griffin-Lim, whatever the run uses.
    """
    codec = AudioCodec(AudioOptions())
    for domain, sounds in (("a", source), ("b", target)):
        codec.fit(domain, [w for s in sounds for w in codec.windows(codec.encode(s, domain))])

    def convert(sound: Waveform) -> Waveform:
        sample = codec.encode(sound, "a")
        matched = codec.from_network(codec.to_network(sample.tensor[None], "a"), "b")
        return codec.decode(matched[0], "b", sample.meta)

    return convert


BASELINES = (Baseline("mel_statistics", match_mels), *world.BASELINES)
