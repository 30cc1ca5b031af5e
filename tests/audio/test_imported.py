"""Other people's vocoders and voices: equal to theirs, and used as they were trained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from audio_support import speech
from cyclekit_audio.mel import MelOptions, MelSpectrogram
from cyclekit_audio.vocoder import VocoderOptions, build_vocoder
from cyclekit_audio.waveform import Waveform, read_waveform, write_waveform
from peers import shaken
from peers_audio import V1, V2, V3, HiFiGAN, MaskJudge, MaskVoice, MelGAN
from support import Cli
from torch import nn

from cyclekit.api import RecipeError
from cyclekit.runs.checkpoint import Checkpoint
from cyclekit.runs.open_run import open_run

LIKE = {"hifigan": MelSpectrogram(MelOptions()),
        "melgan": MelSpectrogram(MelOptions.model_validate("melgan"))}  # fmt: skip


def saved(folder: Path, network: nn.Module, config: dict[str, Any] | None) -> Path:
    """As their authors save them."""
    if config is None:
        torch.save(network.state_dict(), folder / "best_netG.pt")
        return folder / "best_netG.pt"
    torch.save({"generator": network.state_dict()}, folder / "generator_v1")
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "generator_v1"


@pytest.mark.parametrize(
    ("make", "config"),
    [(lambda: HiFiGAN(V1), V1), (lambda: HiFiGAN(V2), V2), (lambda: HiFiGAN(V3), V3),
     (MelGAN, None), (lambda: MelGAN(layers=2), None)],
    ids=["V1", "V2", "V3", "MelGAN", "MelGAN, 2 layers"],
)  # fmt: skip
def test_vocoders_are_equal(
    make: Callable[[], nn.Module], config: dict[str, Any] | None, cli: Cli, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    theirs = make()
    done = cli("import", saved(tmp_path, theirs, config), "-o", tmp_path / "v.safetensors",
               "--plugin", "audio")  # fmt: skip
    assert done.code == 0, done.err
    assert "weight norms multiplied in" in done.err
    options = VocoderOptions(name="network", weights=str(tmp_path / "v.safetensors"))
    ours = build_vocoder(options, LIKE["hifigan" if config else "melgan"])
    for frames in (8, 20, 33):
        log_mel = torch.randn(1, 80, frames)
        with torch.no_grad():
            wanted = theirs(log_mel)[:, 0]
        assert wanted.std() > 1e-4
        assert (ours(log_mel) - wanted).abs().max() < 1e-5


def test_other_mels_are_named_before_anything_sounds(cli: Cli, tmp_path: Path) -> None:
    file = saved(tmp_path, HiFiGAN(V1), V1)
    cli("import", file, "-o", tmp_path / "v.safetensors", "--plugin", "audio")
    options = VocoderOptions(name="network", weights=str(tmp_path / "v.safetensors"))
    with pytest.raises(RecipeError, match=r"fmax is 8000.* there and 11025.* log is natural there"):
        build_vocoder(options, LIKE["melgan"])


def test_a_vocoder_without_its_config_is_refused(cli: Cli, tmp_path: Path) -> None:
    file = saved(tmp_path, HiFiGAN(V1), V1)
    (tmp_path / "config.json").unlink()
    done = cli("import", file, "-o", tmp_path / "v.safetensors", "--plugin", "audio")
    assert done.code == 1
    assert "config.json must lie beside it" in done.err
    (tmp_path / "config.json").write_text(json.dumps(V1 | {"upsample_rates": [8, 8, 2, 4]}))
    done = cli("import", file, "-o", tmp_path / "v.safetensors", "--plugin", "audio")
    assert done.code == 1
    assert not (tmp_path / "v.safetensors").exists()


def test_a_bent_vocoder_is_named(cli: Cli, tmp_path: Path) -> None:
    file = saved(tmp_path, MelGAN(), None)
    made = tmp_path / "v.safetensors"
    assert cli("import", file, "-o", made, "--plugin", "audio").code == 0
    assert cli("import", file, "-o", made, "--plugin", "audio").code == 2  # it is there already
    whole = made.read_bytes()
    options = VocoderOptions(name="network", weights=str(made))
    for bent in (b"", whole[:1000], whole[:-5], whole.replace(b'"F32"', b'"I32"', 1),
                 whole.replace(b"rates", b"ratez", 1), file.read_bytes()):  # fmt: skip
        made.write_bytes(bent)
        with pytest.raises(RecipeError, match="no vocoder, or is damaged"):
            build_vocoder(options, LIKE["melgan"])
    made.unlink()
    with pytest.raises(RecipeError, match="there is no file"):
        build_vocoder(options, LIKE["melgan"])


@pytest.fixture
def voices(tmp_path: Path) -> list[Path]:
    """Both directions, a discriminator, and the statistics, as MaskCycleGAN-VC saves them."""
    files = []
    networks = {"generator_A2B": MaskVoice(), "generator_B2A": MaskVoice(),
                "discriminator_B": MaskJudge(), "discriminator_A2": MaskJudge()}  # fmt: skip
    for seed, (name, network) in enumerate(networks.items()):
        content = {"ckpt_info": {"epoch": 500}, "model_class": "Generator",
                   "model_state": shaken(network, seed).state_dict(),
                   "optimizer": {"state": {}, "param_groups": []}}  # fmt: skip
        files.append(tmp_path / f"00500_{name}.pth.tar")
        torch.save(content, files[-1])
    rng = np.random.default_rng(0)
    for speaker in ("SF3", "TM1"):
        table = {"mean": rng.normal(-2, 1, (80, 1)), "std": rng.uniform(0.5, 1, (80, 1))}
        np.savez(tmp_path / f"{speaker}_norm_stat.npz", **table)
    return files


def of_speakers(folder: Path) -> list[str]:
    names = {"a": "SF3", "b": "TM1"}
    return [f"--statistics={d}={folder / s}_norm_stat.npz" for d, s in names.items()]


def test_voices_are_equal(voices: list[Path], cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = cli("import", *voices, *of_speakers(tmp_path), "-o", run)
    assert done.code == 0, done.err
    assert "second names (convLayer" in done.err
    assert "a layer that is never called (downSample4" in done.err
    opened = open_run(run)
    model = opened.model
    theirs = shaken(MaskVoice(), 0)
    way = model.direction("a2b")
    for frames in (64, 96, 132):
        x = torch.randn(1, 80, frames)
        with torch.no_grad():
            wanted = theirs(x, torch.ones_like(x))
            made = model.objective.translate(model.networks, x[:, None], way)[:, 0]
        assert wanted.std() > 0.01
        assert (made - wanted).abs().max() < 1e-5
    for seed, name in ((2, "discriminator_b"), (3, "second_discriminator_a")):
        ours, judge = model.networks[name], shaken(MaskJudge(), seed)
        with Checkpoint((run / "checkpoints" / "latest").resolve()) as checkpoint:
            checkpoint.read_weights(ours, name, averaged=False)
        with torch.no_grad():
            assert (ours(x[:, None]) - judge(x)).abs().max() < 1e-5


def test_sounds_are_prepared_as_theirs_are(voices: list[Path], cli: Cli, tmp_path: Path) -> None:
    run, theirs = tmp_path / "run", shaken(MaskVoice(), 0)
    cli("import", *voices, *of_speakers(tmp_path), "-o", run)
    quiet = Waveform(0.1 * speech(2).at(22_050), 22_050, encoding="FLOAT")
    opened = open_run(run)
    codec = opened.model.codec
    sample = codec.encode(quiet, "a")
    wanted = LIKE["melgan"](torch.from_numpy(quiet.at(22_050))[None])
    assert torch.allclose(sample.tensor, wanted, atol=1e-6)  # as loud as it is
    held = [np.load(tmp_path / f"{s}_norm_stat.npz") for s in ("SF3", "TM1")]
    (mean, std), (to_mean, to_std) = (
        [torch.from_numpy(h[key]).float() for key in ("mean", "std")] for h in held
    )
    frames = wanted.shape[-1] // 4 * 4  # their own preparation fills up to a multiple of 4
    cut = codec.encode(Waveform(quiet.samples[: frames * 256], 22_050), "a")
    with torch.no_grad():
        x = (cut.tensor - mean) / std
        made = theirs(x, torch.ones_like(x)) * to_std + to_mean
    (ours,) = opened.translator.samples([cut], opened.model.direction("a2b"))
    assert (ours - made).abs().max() < 1e-4


@pytest.mark.slow
def test_voices_through_the_command_line(voices: list[Path], cli: Cli, tmp_path: Path) -> None:
    for n, split in enumerate(("trainA", "trainB", "testA", "testB")):
        (tmp_path / "data" / split).mkdir(parents=True)
        write_waveform(speech(n), tmp_path / "data" / split / "0.wav")
    run = tmp_path / "run"
    missing = cli("import", voices[0], "-o", run)
    assert missing.code == 2
    assert "--statistics a=FILE" in missing.err
    assert not run.exists()
    assert cli("import", voices[0], *of_speakers(tmp_path), "-o", run).code == 0
    sound = tmp_path / "data" / "testA" / "0.wav"
    torch.save(MelGAN().state_dict(), tmp_path / "best_netG.pt")
    vocoder = tmp_path / "melgan.safetensors"
    assert cli("import", tmp_path / "best_netG.pt", "-o", vocoder).code == 0
    fast = [f"--set=codec.vocoder.{key}" for key in ("name=network", f"weights={vocoder}")]
    done = cli("translate", run, sound, "-o", tmp_path / "out", "--direction=a2b", *fast)
    assert done.code == 0, done.err
    made = read_waveform(tmp_path / "out" / "0.wav", silent=True)
    assert len(made.samples) == len(read_waveform(sound).samples)
    done = cli("evaluate", run, "--data", tmp_path / "data", "--quick", "--json")
    assert done.code == 0, done.err
    assert "a2b" in json.loads(done.out)
    assert cli("report", run).code == 0


@pytest.mark.slow
def test_statistics_that_are_none(voices: list[Path], cli: Cli, tmp_path: Path) -> None:
    def told(content: bytes | dict[str, Any]) -> str:
        file = tmp_path / "TM1_norm_stat.npz"
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            np.savez(file, **content)
        done = cli("import", voices[0], *of_speakers(tmp_path), "-o", tmp_path / "run",
                   "--plugin", "audio")  # fmt: skip
        assert done.code == 1
        assert "TM1_norm_stat.npz" in done.err
        assert not (tmp_path / "run").exists()
        return str(done.err)

    assert "no statistics" in told(b"")
    assert "no statistics" in told(b"PK\x03\x04 and then nothing")
    assert "no statistics" in told({"mean": np.zeros((80, 1))})
    assert "no statistics" in told({"mean": np.array([print], dtype=object), "std": np.ones(80)})
    assert "80 bands" in told({"mean": np.zeros(40), "std": np.ones(40)})
    assert "80 bands" in told({"mean": np.zeros(80), "std": np.zeros(80)})
    assert "80 bands" in told({"mean": np.full(80, np.nan), "std": np.ones(80)})
