"""Many ways of saying one thing: a code in voices."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_support import SMALL_AUDIO, write_voices
from support import Cli, training

SMALL = SMALL_AUDIO | {
    "train.steps": 1,
    "train.preview_every": 0,
    "train.evaluate_every": 0,
    "train.batch_size": 1,
}


@pytest.mark.slow
def test_a_sound_has_several_answers(cli: Cli, tmp_path: Path) -> None:
    data, run, out = write_voices(tmp_path / "data", files=2), tmp_path / "run", tmp_path / "out"
    done = cli(*training("audio", "augmented", SMALL)(data, run))
    assert done.code == 0, done.err
    way = ("translate", run, data / "testA/0.wav", "-o", out, "--direction=a2b",
           "--accelerator=cpu")  # fmt: skip
    assert cli(*way, "--samples=2").code == 0
    one, other = (soundfile.read(out / place / "0.wav")[0] for place in ("", "answer-2"))
    assert one.shape == other.shape
    assert not np.array_equal(one, other)
    done = cli(*way, f"--like={data / 'testB/1.wav'}")
    assert done.code == 0, done.err
