"""The scripts beside exported files write what translate writes, without torch and cyclekit."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from audio_support import SMALL_AUDIO, speech, write_voices
from cyclekit_audio.mel import MelOptions
from cyclekit_audio.neural import KINDS, pack
from cyclekit_audio.waveform import write_waveform
from cyclekit_music.files import read_piece
from mido import Message, MetaMessage
from music_support import SMALL_MUSIC, midi_bytes, note, write_scales
from support import Cli, training

from cyclekit.contract.portable import Portable
from cyclekit.contract.tensors import TensorSpec
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


def vocoder(kind: str, file: Path) -> dict[str, str]:
    """A small one of random weights, for the mels of ``SMALL_AUDIO``; the settings that name it."""
    options = {"bins": 16, "channels": 32 if kind == "hifigan" else 2}
    mel = MelOptions(bins=16)
    mels = {
        "sampling_rate": mel.rate, "n_fft": mel.fft, "hop_size": mel.hop, "win_size": mel.window,
        "num_mels": mel.bins, "fmin": mel.low, "fmax": mel.high, "log": mel.log,
    }  # fmt: skip
    torch.manual_seed(0)
    network = KINDS[kind]
    specs = TensorSpec(16, (None,), range=None), TensorSpec(1, (None,))
    made = network.build(*specs, network.options(**options))
    with torch.no_grad():  # else hardly anything of what goes in comes out
        for weights in made.parameters():
            weights.mul_(2 if weights.dim() > 1 else 0)
    file.write_bytes(pack(kind, options, mels, made.state_dict()))
    return {"codec.vocoder.name": "network", "codec.vocoder.weights": str(file)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["", "hifigan", "melgan"])
def test_a_sound_is_translated_alike(cli: Cli, tmp_path: Path, kind: str) -> None:
    run, model = tmp_path / "run", tmp_path / "voice.onnx"
    data = write_voices(tmp_path / "data", files=2)
    small = SMALL_AUDIO | (vocoder(kind, tmp_path / "vocoder.safetensors") if kind else {})
    assert cli(*training("audio", "demo", small)(data, run)).code == 0
    exported = cli("export", run, "-o", model, "--direction=a2b")
    assert exported.code == 0, exported.err
    assert (tmp_path / "voice.onnx.vocoder.onnx").exists() == bool(kind)
    source = write_waveform(speech(), tmp_path / "in")
    run_script(tmp_path / "voice.onnx.py", model, source, tmp_path / "x.wav")
    done = cli("translate", run, source, "-o", tmp_path / "out", "--direction=a2b",
               "--precision=32-true")  # fmt: skip
    assert done.code == 0, done.err
    ours, theirs = (soundfile.read(file) for file in (tmp_path / "out/in.wav", tmp_path / "x.wav"))
    assert ours[1] == theirs[1]
    assert ours[0].shape == theirs[0].shape
    assert np.sqrt(np.mean((ours[0] - theirs[0]) ** 2) / np.mean(ours[0] ** 2)) < 1e-2


@pytest.mark.slow
def test_a_piece_is_translated_alike(cli: Cli, tmp_path: Path) -> None:
    run, model = tmp_path / "run", tmp_path / "jazz.onnx"
    data = write_scales(tmp_path / "data", files=2)
    assert cli(*training("music", "demo", SMALL_MUSIC)(data, run)).code == 0
    exported = cli("export", run, "-o", model, "--direction=a2b")
    assert exported.code == 0, exported.err
    # Drums, and bars that are copied through.
    kit = [Message("note_on", note=36, velocity=90, channel=9, time=480),
           Message("note_off", note=36, channel=9, time=100)]  # fmt: skip
    tune = [message for pitch in range(48, 72) for message in note(pitch, 400)]
    meters = [MetaMessage("time_signature", numerator=4, denominator=4, time=0),
              MetaMessage("time_signature", numerator=3, denominator=4, time=7680)]  # fmt: skip
    source = tmp_path / "in.mid"
    source.write_bytes(midi_bytes(meters, tune, kit))
    run_script(tmp_path / "jazz.onnx.py", model, source, tmp_path / "x.mid")
    done = cli("translate", run, source, "-o", tmp_path / "out", "--direction=a2b",
               "--precision=32-true")  # fmt: skip
    assert done.code == 0, done.err
    ours, theirs = (read_piece(file) for file in (tmp_path / "out/in.mid", tmp_path / "x.mid"))
    assert len(ours.notes) > 10
    assert np.array_equal(ours.notes, theirs.notes)
    assert (tmp_path / "x.mid").read_bytes() == (tmp_path / "out/in.mid").read_bytes()


def test_a_script_that_cannot_be_is_told() -> None:
    modules = {"a.b": "x = '''1'''"}
    assert "'a': r''''''" in whole_script(Portable(script='"""Doc."""\n', modules=modules))
    for wrong in (Portable(script="x = 1", modules=modules),
                  Portable(script='"""Doc."""', modules={"a": "def"})):  # fmt: skip
        with pytest.raises(PluginError, match="portable"):
            whole_script(wrong)
