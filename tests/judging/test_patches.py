"""The figure that needs no pairs: nearer details are nearer, whatever the number of axes."""

import json
from pathlib import Path

import pytest
import torch
from support import SMALL, Cli, as_options, copied

from cyclekit.judging.patches import _levels, _patches, _size, distance


def stripes(period: int, count: int, axes: int, seed: int = 0) -> list[torch.Tensor]:
    """Waves along the last axis, each with a shift and a little noise of its own."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.arange(40.0)
    shifts = torch.rand(count, generator=rng) * period
    waves = torch.sin(2 * torch.pi * (x + shifts[:, None]) / period)
    full = waves.view(count, 1, *(1,) * (axes - 1), 40).expand(count, 1, *(40,) * axes)
    return list(full + 0.05 * torch.randn(full.shape, generator=rng))


def apart(some: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    size = _size([*some, *others])
    return distance(_patches(some, size, 0), _patches(others, size, 0), 0)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_nearer_details_are_nearer(axes: int) -> None:
    target = stripes(8, 6, axes)
    same, near, far = stripes(8, 6, axes, 1), stripes(9, 6, axes, 1), stripes(20, 6, axes, 1)
    found = [apart(target, other) for other in (target, same, near, far)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[3] > 3 * found[1]


def test_sizes_differ_and_are_small() -> None:
    some = [torch.zeros(2, 5, 30), torch.zeros(2, 9, 4)]
    levels = _levels(some)
    assert [tensor.shape[1:] for tensor in levels[1]] == [(5, 15), (9, 4)]
    assert _size(levels[2]) == (5, 4)
    assert _patches(levels[2], (5, 4), 0).shape[1] == 40


@pytest.mark.slow
def test_runs_without_pairs_have_a_best_checkpoint(cli: Cli, folders: Path, tmp_path: Path) -> None:
    data, run = copied(folders, tmp_path / "data"), tmp_path / "run"
    for file in list((data / "testB").iterdir()):
        file.rename(file.with_name(f"b_{file.name}"))
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={data}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    assert "both patch_distance" in done.out
    with (run / "checkpoints/best/state.json").open() as state:
        assert json.load(state)["best"]["metric"] == "patch_distance"
