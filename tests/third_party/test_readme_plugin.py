"""The README's plugin, taken from the page: it works, and what is wrong with others is named."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import SMALL, as_options

import cyclekit

README = Path(cyclekit.__file__).parents[1] / "README.md"
LITTLE = {key: value for key, value in SMALL.items() if not key.startswith("codec.")}


@pytest.fixture
def source() -> str:
    """The plugin's code."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    (source,) = [block for block in blocks if "cyclekit_modality" in block]
    return source


@pytest.fixture
def train(cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Train with a plugin's code on sines and squares, into ``tmp_path / "run"``.

    Test files of one name are pairs.
    """
    (tmp_path / "series.toml").write_text('summary = "sine to square"\n')
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for index in range(3):
            period = np.random.default_rng([index, split == "trainB"]).uniform(2, 6)
            wave = np.sin(np.arange(100) / period)
            series = np.sign(wave) if split.endswith("B") else wave
            np.savetxt(tmp_path / "data" / split / f"{index}.txt", series)

    def trained(source: str) -> Any:
        (tmp_path / "series.py").write_text(source)
        return cli("train", f"--plugin={tmp_path / 'series.py'}", "--accelerator=cpu",
                   f"--recipe={tmp_path / 'series.toml'}", f"--data={tmp_path / 'data'}",
                   f"--run-dir={tmp_path / 'run'}", *as_options(LITTLE))  # fmt: skip

    return trained


def test_the_readmes_plugin_works(
    source: str, train: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = train(source)
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


def test_where_there_are_no_figures_that_is_said(
    source: str, train: Callable[..., Any], cli: Callable[..., Any], tmp_path: Path
) -> None:
    """The plugin's only metric always fails; without one, patches would be compared."""
    outcome = train(source)
    assert outcome.code == 0, outcome.err
    assert "a2b patch_distance" in outcome.out
    shutil.rmtree(tmp_path / "run")
    metric = 'api.Metric("broken", {"broken": False}, lambda made, fitted: 1 / 0)'
    judges = "discriminators=[api.PATCHGAN],"
    outcome = train(source.replace(judges, f"{judges} metrics=[{metric}],"))
    assert outcome.code == 0, outcome.err
    assert "metric 'broken' failed: ZeroDivisionError" in outcome.err
    assert "no figures: plugin 'series' brings no metrics, or none" in outcome.err
    assert "┏" not in outcome.out
    assert cli("report", tmp_path / "run", "-o", tmp_path / "report.html").code == 0
    assert "<h2>Figures" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("return tensor[0].numpy()", 'raise KeyError("scale")',
         r"SeriesCodec\.decode failed with what the networks made.*KeyError.*series\.py:\d+"),
        (".float()[None])", ".float())",
         r"SeriesCodec\.encode is wrong.*shape \(100,\): expected \(channels, size\)"),
        ("codec=SeriesCodec,", 'codec="SeriesCodec",',
         r"codec must be a class that inherits from api\.Codec.*not 'SeriesCodec'"),
        ("api=2,", "api=3,", r"written for plugin API 3.*speaks 2\. Write api=2"),
    ],
    ids=["decode", "encode", "codec", "api"],
)  # fmt: skip
def test_what_an_author_gets_wrong_is_said_before_training(
    source: str, train: Callable[..., Any], right: str, wrong: str, said: str
) -> None:
    outcome = train(source.replace(right, wrong))
    assert outcome.code == 1
    assert re.search(said, outcome.err.replace("\n", " ")), outcome.err
    assert "step 2/4" not in outcome.err
