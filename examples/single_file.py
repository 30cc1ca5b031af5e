"""Elevation maps, 2-D arrays in .npy files: a whole plugin in one file.

Cells that nobody measured are NaN: networks see zeros there, and losses look away.

    cyclekit train --plugin examples/single_file.py --recipe demo
"""

import numpy as np
import torch
from cyclekit import api


class ElevationCodec(api.Codec):
    """Metres above the sea, divided by a thousand."""

    def spec(self, domain):
        return api.TensorSpec(channels=1, sizes=(None, None), range=None, gaps=True)

    def load(self, path):
        try:
            with path.open("rb") as file:
                return np.lib.format.read_array(file).astype(np.float32).reshape(64, 64)
        except (OSError, ValueError) as error:
            raise api.BadSample(path, f"is no map of 64 x 64 cells ({error})") from error

    def encode(self, item, domain):
        return api.Sample(torch.from_numpy(item)[None] / 1000)

    def decode(self, tensor, domain, meta):
        return tensor[0].numpy() * 1000

    def save(self, item, path):
        np.save(path.with_suffix(".npy"), item)
        return path.with_suffix(".npy")


def make_terrain(folder, seed):
    """Worn hills in A, young and steep ones in B, each with a corner that is not known."""
    y, x = np.mgrid[:64, :64] / 9
    for split, first in {"trainA": 0, "trainB": 50, "testA": 99, "testB": 99}.items():
        (folder / split).mkdir(parents=True)
        for index in range(first, first + 10):
            a, b, c, d = np.random.default_rng([seed, index]).uniform(0.5, 3, size=4)
            hills = 400 + 300 * np.sin(a * x + b) * np.sin(c * y + d)
            hills = 2 * np.abs(hills - 400) if split.endswith("B") else hills
            hills[:5, :5] = np.nan
            np.save(folder / split / f"{index}.npy", hills)


@api.hookimpl
def cyclekit_modality():
    yield api.Modality(
        name="elevation",
        api=2,
        summary="Elevation maps",
        codec=ElevationCodec,
        generators=[api.RESNET],
        discriminators=[api.PATCHGAN],
        datasets={"terrain": make_terrain},
    )
