"""Random draws that follow from what they are for, never from what was drawn before.

Every generator is derived from the run's seed and a few words (a step, a position in the global
batch, a purpose). So a resumed run, or one on another number of ranks, draws the same numbers
without any generator state being saved.
"""

import hashlib

import numpy as np
import torch


def derive_seed(*words: int | str) -> int:
    """A 63-bit seed from words; the same words give the same seed on every machine."""
    text = "\0".join(f"{type(word).__name__}:{word}" for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def torch_generator(*words: int | str) -> torch.Generator:
    """A CPU generator for these words."""
    return torch.Generator().manual_seed(derive_seed(*words))


def numpy_generator(*words: int | str) -> np.random.Generator:
    """A NumPy generator for these words."""
    return np.random.default_rng(derive_seed(*words))
