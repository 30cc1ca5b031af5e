"""Equal names are believed where the files bear it out."""

from pathlib import Path

import pytest
import torch
from support import SMALL, Cli, as_options, copied, draw

from cyclekit.data.pairing import DOUBTED, likeness


def test_counterparts_are_told_from_strangers() -> None:
    rng = torch.Generator().manual_seed(0)
    real = torch.rand(12, 3, 16, 16, generator=rng)
    inverted_and_noisy = 0.7 * real.flip(1) + 0.3 * torch.rand(real.shape, generator=rng)
    assert likeness(real, inverted_and_noisy + 5) <= DOUBTED
    assert likeness(real, torch.rand(real.shape, generator=rng)) > DOUBTED


@pytest.mark.slow
def test_unrelated_test_sets_with_equal_names_are_no_pairs(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    data = copied(folders, tmp_path / "data")
    for index in range(8):
        draw(data / f"testA/{index}.png", 500 + index)
        draw(data / f"testB/{index}.png", 900 + index)
    command = ("train", "--plugin=image", "--recipe=horse2zebra", f"--data={data}",
               "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    doubted = cli(*command, f"--run-dir={tmp_path / 'one'}")
    assert doubted.code == 0, doubted.err
    assert "8 test files have equal names in both domains, but are no more alike" in doubted.err
    assert "a2b l1" not in doubted.out
    believed = cli(*command, f"--run-dir={tmp_path / 'two'}", "--set=data.parallel=true")
    assert "8 pairs" in believed.out
    assert "a2b l1" in believed.out
