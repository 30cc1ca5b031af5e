"""Volumes: 3-D arrays in .npy files, such as scans, with a picture of their middle slices."""

import numpy as np
import torch
from cyclekit import api
from PIL import Image


class VolumeOptions(api.Options):
    """The recipe's [codec] table."""

    lowest: float = 0.0
    """Intensity that networks see as -1; what is lower is taken for this."""
    highest: float = 1000.0
    """Intensity that networks see as 1."""
    window: int = 16
    """Training windows are cubes of so many cells."""


class VolumeCodec(api.Codec):
    """Intensities between two ends as -1 to 1."""

    Options = VolumeOptions

    def spec(self, domain):
        return api.TensorSpec(channels=1, sizes=(None, None, None), range=(-1.0, 1.0))

    def load(self, path):
        try:
            with path.open("rb") as file:
                volume = np.lib.format.read_array(file).astype(np.float32)
        except (OSError, ValueError) as error:
            raise api.BadSample(path, f"is no array ({error})") from error
        if volume.ndim != 3 or min(volume.shape) < self.options.window:
            raise api.BadSample(path, f"has shape {volume.shape}")
        return volume.clip(self.options.lowest, self.options.highest)

    def encode(self, item, domain):
        return api.Sample(torch.from_numpy(item)[None])

    def decode(self, tensor, domain, meta):
        return tensor[0].numpy()

    def save(self, item, path):
        np.save(path.with_suffix(".npy"), item)
        return path.with_suffix(".npy")

    def augment(self, tensor, domain, rng):
        """A cube from anywhere, mirrored half of the time along each axis."""
        for axis in (1, 2, 3):
            spare = tensor.shape[axis] - self.options.window
            start = int(torch.randint(spare + 1, (), generator=rng))
            tensor = tensor.narrow(axis, start, self.options.window)
            if torch.rand((), generator=rng) < 0.5:
                tensor = tensor.flip(axis)
        return tensor

    def to_network(self, tensor, domain):
        low, high = self.options.lowest, self.options.highest
        return (tensor.float() - low) / (high - low) * 2 - 1

    def from_network(self, tensor, domain):
        low, high = self.options.lowest, self.options.highest
        return ((tensor + 1) / 2 * (high - low) + low).clamp(low, high)

    def render(self, rows, folder):
        """Every row's middle slices side by side: real, translated and cycled."""
        volumes = [list(row.labelled.values()) for row in rows]
        side = max(max(volume.shape[1:]) for row in volumes for volume in row)
        sheet = Image.new("L", (side * max(map(len, volumes)), side * len(volumes)))
        for y, row in enumerate(volumes):
            for x, volume in enumerate(row):
                pixels = np.interp(
                    volume[len(volume) // 2],
                    (self.options.lowest, self.options.highest),
                    (0, 255),
                )
                sheet.paste(Image.fromarray(pixels.astype(np.uint8)), (x * side, y * side))
        sheet = sheet.resize((sheet.width * 4, sheet.height * 4), Image.Resampling.NEAREST)
        sheet.save(folder / "slices.png")
        pixels = torch.from_numpy(np.array(sheet.convert("RGB"))).permute(2, 0, 1)
        return [api.Media("slices", folder / "slices.png", image=pixels)]


def make_lumps(folder, seed):
    """Soft lumps in A; the same kind of lumps with bright shells and dark insides in B."""
    z, y, x = np.mgrid[:24, :24, :24]
    for split, first in {"trainA": 0, "trainB": 50, "testA": 99, "testB": 99}.items():
        (folder / split).mkdir(parents=True)
        for index in range(first, first + 8):
            rng = np.random.default_rng([seed, index])
            a, b, c = rng.uniform(7, 17, size=3)
            distance = np.sqrt((z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2) / rng.uniform(5, 8)
            inside = 700 * np.exp(-(distance**2))
            shell = 900 * np.exp(-((3 * (distance - 1)) ** 2))
            np.save(folder / split / f"{index}.npy", shell if split.endswith("B") else inside)


@api.hookimpl
def cyclekit_modality():
    yield api.Modality(
        name="volumes",
        api=2,
        summary="Volumes: 3-D arrays in .npy files",
        codec=VolumeCodec,
        generators=[api.RESNET],
        discriminators=[api.PATCHGAN],
        datasets={"lumps": make_lumps},
    )
