"""The scripts beside exported files write what translate writes, without torch and cyclekit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_support import SMALL_AUDIO, speech, write_voices
from cyclekit_audio.waveform import write_waveform
from support import Cli, training

from cyclekit.contract import Portable
from cyclekit.errors import PluginError
from cyclekit.exporting.script import whole_script

# No script may import these, but the modules that are in it, which are found first.
BARRED = """
import runpy, sys
class Barred:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchaudio") or name.startswith("cyclekit"):
            raise ImportError(f"{name} is barred")
sys.meta_path.insert(0, Barred())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_script(script: Path, *arguments: Path) -> None:
    """Run a script where importing what it must not need is an error."""
    command = [sys.executable, "-c", BARRED, script, *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_sound_is_translated_alike(cli: Cli, tmp_path: Path) -> None:
    run, model = tmp_path / "run", tmp_path / "voice.onnx"
    data = write_voices(tmp_path / "data", files=2)
    assert cli(*training("audio", "demo", SMALL_AUDIO)(data, run)).code == 0
    exported = cli("export", run, "-o", model, "--direction=a2b")
    assert exported.code == 0, exported.err
    source = write_waveform(speech(), tmp_path / "in")
    run_script(tmp_path / "voice.onnx.py", model, source, tmp_path / "x.wav")
    done = cli("translate", run, source, "-o", tmp_path / "out", "--direction=a2b",
               "--precision=32-true")  # fmt: skip
    assert done.code == 0, done.err
    ours, theirs = (soundfile.read(file) for file in (tmp_path / "out/in.wav", tmp_path / "x.wav"))
    assert ours[1] == theirs[1]
    assert ours[0].shape == theirs[0].shape
    assert np.sqrt(np.mean((ours[0] - theirs[0]) ** 2) / np.mean(ours[0] ** 2)) < 1e-2


def test_a_script_that_cannot_be_is_told() -> None:
    modules = {"a.b": "x = '''1'''"}
    assert "'a': r''''''" in whole_script(Portable(script='"""Doc."""\n', modules=modules))
    for wrong in (Portable(script="x = 1", modules=modules),
                  Portable(script='"""Doc."""', modules={"a": "def"})):  # fmt: skip
        with pytest.raises(PluginError, match="portable"):
            whole_script(wrong)
