"""Large pictures: memory grows with the picture alone, not with what networks make of it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import QUICK, Outcome, training

SIZES = ((400, 300), (3000, 2400))
SMALL = QUICK | {
    "train.steps": 1,
    "train.preview_every": 0,
    "codec.resize": 36,
    "codec.crop": 32,
    "codec.tile": 256,
    "generator.channels": 8,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "discriminator.layers": 2,
}


@pytest.mark.slow
def test_a_large_picture_takes_few_bytes_for_each_pixel(
    folders: Path, tmp_path: Path, cli: Callable[..., Outcome]
) -> None:
    run = tmp_path / "run"
    assert cli(*training("image", "horse2zebra", SMALL)(folders, run)).code == 0
    peaks = []
    for width, height in SIZES:
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        file = tmp_path / f"{width}.png"
        Image.fromarray(noise).save(file)
        code = (
            "import resource; from cyclekit.cli import main\n"
            f"main(['translate', {str(run)!r}, {str(file)!r}, '-o', {str(tmp_path / 'out')!r},"
            " '--direction=a2b', '--accelerator=cpu'])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split()[-1]))
        with Image.open(tmp_path / f"out/{width}.png") as picture:
            assert picture.size == (width, height)
    small, large = (width * height for width, height in SIZES)
    # In and out as bytes and as floats make 30; activations of the whole would take hundreds.
    assert (peaks[1] - peaks[0]) / (large - small) < 60
