"""Files of any length: tiles that overlap, bounded memory, no audible step."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from audio_support import SMALL_AUDIO, speech, tone, write_voices
from cyclekit_audio.codec import TILE
from cyclekit_audio.judging import log_mel
from cyclekit_audio.waveform import Waveform, read_waveform, write_waveform
from support import as_options
from torch import Tensor, nn

from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.model import Model, build_model
from cyclekit.engine.translator import Translator
from cyclekit.preparing.planning import plan_training


class Network(nn.Module):
    """Adds what it is told to, and remembers what it was shown."""

    multiple_of = 4

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.change = change
        self.widths: list[int] = []
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.widths.append(x.shape[-1])
        return self.change(x)


def fitted_model() -> Model:
    plan = plan_training("audio", "demo", [("data.root", "nowhere", "test")])
    model = build_model(plan.host.modality, plan.recipe)
    for domain in ("a", "b"):
        windows = model.codec.windows(model.codec.encode(speech(0), domain))
        model.codec.fit(domain, windows)
    return model


def translate(model: Model, network: Network, frames: int) -> tuple[Tensor, Tensor]:
    """A random spectrogram of so many frames, before and after."""
    fabric = start_fabric(Hardware(accelerator="cpu"), "32-true")
    translator = Translator(model, dict.fromkeys(model.translators, network), fabric, batch_size=2)
    sample = model.codec.encode(tone(1.0), "a")
    sample.tensor = torch.rand(1, 80, frames, generator=torch.Generator().manual_seed(0)) * 4 - 5
    (made,) = translator.samples([sample], model.direction("a2b"))
    return sample.tensor, made


@pytest.mark.parametrize("frames", [50, TILE, TILE + 1, 3 * TILE + 77])
def test_a_network_that_changes_nothing_changes_nothing(frames: int) -> None:
    network = Network(lambda x: x)
    before, made = translate(fitted_model(), network, frames)
    torch.testing.assert_close(made, before, atol=1e-4, rtol=1e-4)
    assert max(network.widths) <= TILE


def test_tiles_that_differ_join_gradually() -> None:
    steps = iter(range(100))
    network = Network(lambda x: torch.zeros_like(x) + 0.5 * next(steps))
    model = fitted_model()
    _, made = translate(model, network, 3 * TILE)
    change = model.codec.to_network(made[None], "b")[0, 0].diff(dim=-1).abs()
    assert 0 < change.max() < 0.02


@pytest.mark.proof
def test_three_minutes_need_hardly_more_memory_than_a_half(tmp_path: Path) -> None:
    from cyclekit.cli import main

    run = tmp_path / "run"
    settings = SMALL_AUDIO | {"train.steps": 1, "train.preview_every": 0}
    main(["train", "--plugin=audio", "--recipe=slt2rms", f"--run-dir={run}",
          f"--data={write_voices(tmp_path / 'data')}", "--accelerator=cpu",
          *as_options(settings)])  # fmt: skip
    peaks = {}
    for minutes in (0.5, 3):
        parts = [speech(seed).samples for seed in range(10)]
        wave = np.resize(np.concatenate(parts), int(minutes * 60 * 16_000))
        file = write_waveform(Waveform(wave, 16_000), tmp_path / f"long{minutes:.0f}")
        code = (
            "import resource, sys; from cyclekit.cli import main\n"
            f"main(['translate', {str(run)!r}, {str(file)!r}, '-o', {str(tmp_path / 'out')!r},"
            " '--direction=a2b', '--accelerator=cpu'])\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        peaks[minutes] = int(done.stdout.split()[-1])
        assert len(read_waveform(tmp_path / f"out/long{minutes:.0f}.wav").samples) == len(wave)
    # The sound itself, at both rates and with its spectrogram, is what grows: 13 MiB a copy.
    assert peaks[3] - peaks[0.5] < 130


@pytest.mark.slow
def test_a_long_sound_has_no_seams() -> None:
    model = fitted_model()
    codec = model.codec
    sound = Waveform(np.resize(speech(1).samples, 26 * 16_000), 16_000)
    sample = codec.encode(sound, "a")
    assert sample.tensor.shape[-1] > 2 * TILE
    made = codec.decode(sample.tensor, "a", sample.meta)
    error = np.abs(log_mel(made) - log_mel(sound)).mean(axis=1)
    seams = [TILE - 16, 2 * TILE - 48]  # where chunks of the vocoder meet
    for seam in seams:
        assert error[seam - 8 : seam + 8].mean() < 2 * error.mean() + 0.02
