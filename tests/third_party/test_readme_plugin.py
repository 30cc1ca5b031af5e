"""The README's plugin, taken from the page, trains and translates."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from support import SMALL, as_options

import cyclekit

README = Path(cyclekit.__file__).parents[1] / "README.md"


def test_the_readmes_plugin_works(cli: Callable[..., Any], tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    (source,) = [block for block in blocks if "cyclekit_modality" in block]
    (tmp_path / "series.py").write_text(source)
    (tmp_path / "series.toml").write_text('summary = "sine to square"\n')
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for index in range(3):
            wave = np.sin(np.arange(100) / rng.uniform(2, 6))
            series = np.sign(wave) if split.endswith("B") else wave
            np.savetxt(tmp_path / "data" / split / f"{index}.txt", series)
    small = {key: value for key, value in SMALL.items() if not key.startswith("codec.")}
    outcome = cli("train", f"--plugin={tmp_path / 'series.py'}", "--accelerator=cpu",
                  f"--recipe={tmp_path / 'series.toml'}", f"--data={tmp_path / 'data'}",
                  f"--run-dir={tmp_path / 'run'}", *as_options(small))  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert list((tmp_path / "run/samples/step-00000004").glob("*-translated.txt"))
    outcome = cli("translate", tmp_path / "run", tmp_path / "data/testA", "-o", tmp_path / "out",
                  "--direction=a2b")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert np.loadtxt(tmp_path / "out/0.txt").shape == (100,)
    (tmp_path / "data/testA/bad.txt").write_text("words")
    named = cli("translate", tmp_path / "run", tmp_path / "data/testA", "-o", tmp_path / "out2",
                "--direction=a2b")  # fmt: skip
    assert (named.code, "bad.txt: is no column of numbers" in named.err) == (1, True)
    assert len(source.splitlines()) < 60
