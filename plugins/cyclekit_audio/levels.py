"""How loud samples are, where they sound, and how they are brought to a level."""

import numpy as np

from cyclekit_audio.inaudible import Array

LEVEL = 10 ** (-23 / 20)  # root mean square that speech is brought to before it is analysed
KNEE, CEILING = 0.8, 0.999  # from where samples are bent, and what they never reach
UNBOUNDED = ("FLOAT", "DOUBLE")  # encodings in which samples may go beyond 1


def root_mean_square(samples: Array) -> float:
    """Of any number of samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def match_level(samples: Array, level: float, bounded: bool = True) -> Array:
    """Scale to a root mean square of ``level``; what would clip is bent below 1, if ``bounded``.

    A single peak, which a vocoder makes easily, must not turn a whole recording down.
    """
    own = root_mean_square(samples)
    if not own:
        return samples
    scaled: Array = samples * np.float32(level / own)
    if not bounded:
        return scaled
    beyond = np.abs(scaled) - KNEE
    bent = KNEE + (CEILING - KNEE) * np.tanh(beyond / (CEILING - KNEE))
    limited: Array = np.where(beyond > 0, np.copysign(bent, scaled), scaled).astype(np.float32)
    return limited


def sounding(samples: Array, silence: float = 40.0, frame: int = 1024) -> tuple[int, int]:
    """The samples between the silences at both ends, which are ``silence`` dB below the loudest."""
    import librosa

    _, (first, last) = librosa.effects.trim(
        samples, top_db=silence, frame_length=frame, hop_length=frame // 4
    )
    return (int(first), int(last)) if last > first else (0, len(samples))
