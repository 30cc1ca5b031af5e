"""Many arrangements of one tune: a code in music."""

from pathlib import Path

from music_support import SMALL_MUSIC, write_scales
from support import Cli, training

import cyclekit

SMALL = SMALL_MUSIC | {"train.steps": 1, "train.preview_every": 0, "train.batch_size": 1}


def test_a_piece_has_several_answers(cli: Cli, tmp_path: Path) -> None:
    data, run, out = write_scales(tmp_path / "data", files=2), tmp_path / "run", tmp_path / "out"
    done = cli(*training("music", "augmented", SMALL)(data, run))
    assert done.code == 0, done.err
    tunes = sorted((data / "testA").iterdir())
    way = ("translate", run, tunes[0], "-o", out, "--direction=a2b", "--accelerator=cpu")
    assert cli(*way, "--samples=2").code == 0
    assert (out / "answer-2" / tunes[0].name).is_file()
    example = sorted((data / "testB").iterdir())[1]
    done = cli(*way, f"--like={example}")
    assert done.code == 0, done.err
    # One step leaves no notes to compare; what the network makes differs.
    opened = cyclekit.load(run, accelerator="cpu")._opened
    (there, _) = opened.model.objective.directions
    sample = opened.model.codec.encode(opened.model.codec.load(tunes[0]), "a")
    rolls = [opened.translator.answering(n).samples([sample], there)[0] for n in range(2)]
    assert not rolls[0].equal(rolls[1])
