"""Time series: CSV files with a header and a column for each channel, a row for each moment."""

import csv

import numpy as np
import torch
from cyclekit import api


class TimeSeriesOptions(api.Options):
    """The recipe's [codec] table."""

    channels: int = 2
    """Columns of a file."""
    window: int = 128
    """Rows of a training window; a multiple of 4."""


class TimeSeriesCodec(api.Codec):
    """Columns as channels, each with mean 0 and deviation 1 over its domain."""

    Options = TimeSeriesOptions

    def __init__(self, options):
        super().__init__(options)
        self.statistics = {}

    def spec(self, domain):
        return api.TensorSpec(self.options.channels, sizes=(None,), range=None)

    def load(self, path):
        try:
            with path.open(newline="") as file:
                rows = list(csv.reader(file))
            series = np.array(rows[1:], dtype=np.float32)
        except (OSError, ValueError, csv.Error) as error:
            raise api.BadSample(path, f"is no table of numbers ({error})") from error
        if series.ndim != 2 or series.shape[1] != self.options.channels:
            wanted = f"{self.options.channels} columns"
            raise api.BadSample(path, f"has shape {series.shape}, not {wanted}")
        if len(series) < self.options.window or not np.isfinite(series).all():
            raise api.BadSample(path, "is too short, or holds what is no finite number")
        return series

    def encode(self, item, domain):
        return api.Sample(torch.from_numpy(item.T.copy()), {"rows": len(item)})

    def decode(self, tensor, domain, meta):
        return tensor.T.numpy()[: meta["rows"]]

    def save(self, item, path):
        path = path.with_suffix(".csv")
        header = ",".join(f"channel{n}" for n in range(item.shape[1]))
        np.savetxt(path, item, fmt="%.6g", delimiter=",", header=header, comments="")
        return path

    def windows(self, sample):
        """Overlapping halves, so that a long recording counts for more than a short one."""
        window, rows = self.options.window, sample.meta["rows"]
        starts = range(0, rows - window + 1, window // 2)
        return [api.Sample(sample.tensor[:, start : start + window]) for start in starts]

    def fit(self, domain, windows):
        series = torch.cat([window.tensor for window in windows], dim=1)
        self.statistics[domain] = torch.stack([series.mean(1), series.std(1) + 1e-6])

    def state_dict(self):
        return dict(self.statistics)

    def load_state_dict(self, state):
        self.statistics = dict(state)

    def to_network(self, tensor, domain):
        mean, deviation = self.statistics[domain].to(tensor)[..., None]
        return (tensor.float() - mean) / deviation

    def from_network(self, tensor, domain):
        mean, deviation = self.statistics[domain].to(tensor)[..., None]
        return tensor * deviation + mean


def score_l1(shown, fitted):
    """Mean distance from the truth, for test files with equal names."""
    pairs = zip(shown.outputs, shown.truths, strict=True)
    return {"l1": np.mean([np.abs(made - truth).mean() for made, truth in pairs])}


def make_pulses(folder, seed):
    """A pulse and the breath beside it: at rest in A, out of breath in B, with sharper peaks."""
    for split, first in {"trainA": 0, "trainB": 100, "testA": 200, "testB": 200}.items():
        (folder / split).mkdir(parents=True)
        for index in range(first, first + 12):
            rng = np.random.default_rng([seed, index])
            time = np.arange(400) / rng.uniform(10, 16)
            pulse, breath = np.sin(time), np.sin(time / 3 + rng.uniform(0, 6))
            if split.endswith("B"):
                pulse, breath = np.exp(2 * pulse) + 60, 2 * breath
            header = "pulse,breath"
            series = np.stack([pulse, breath], axis=1) + 0.02 * rng.normal(size=(400, 2))
            file = folder / split / f"{index}.csv"
            np.savetxt(file, series, fmt="%.5g", delimiter=",", header=header, comments="")


@api.hookimpl
def cyclekit_modality():
    yield api.Modality(
        name="timeseries",
        api=2,
        summary="Time series: windows from CSV files",
        codec=TimeSeriesCodec,
        generators=[api.RESNET],
        discriminators=[api.PATCHGAN],
        metrics=[api.Metric("l1", {"l1": False}, score_l1, needs_pairs=True)],
        datasets={"pulses": make_pulses},
    )
