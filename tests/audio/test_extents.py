"""Files that broke off are named; headers that could not know better are put right."""

import contextlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_support import tone
from cyclekit_audio.waveform import read_waveform

from cyclekit.api import BadSample

WAVE = tone(1.0, 16_000).samples
PCM = (WAVE * 32767).astype("<i2").tobytes()
UNKNOWN = 2**32 - 1


def refusal(path: Path) -> str:
    with pytest.raises(BadSample) as caught:
        read_waveform(path)
    return caught.value.why


def wav(
    riff: int, data: int, body: bytes = PCM, name: bytes = b"RIFF", before: bytes = b""
) -> bytes:
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    head = struct.pack("<4sI4s", name, riff, b"WAVE")
    return head + before + fmt + struct.pack("<4sI", b"data", data) + body


@pytest.mark.parametrize(
    ("suffix", "kind", "subtype"),
    [
        ("wav", "WAV", "PCM_16"),
        ("wav", "WAV", "GSM610"),
        ("wav", "WAV", "IMA_ADPCM"),
        ("wav", "RF64", "PCM_24"),
        ("wav", "NIST", "PCM_16"),
        ("w64", "W64", "PCM_16"),
        ("aiff", "AIFF", "PCM_16"),
        ("au", "AU", "ULAW"),
        ("caf", "CAF", "PCM_16"),
        ("flac", "FLAC", "PCM_16"),
        ("ogg", "OGG", "VORBIS"),
        ("opus", "OGG", "OPUS"),
        ("mp3", "MP3", "MPEG_LAYER_III"),
    ],
)
def test_a_file_that_broke_off_is_named(
    tmp_path: Path, suffix: str, kind: str, subtype: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"sound.{suffix}"
    soundfile.write(file, WAVE, 16_000, format=kind, subtype=subtype)
    assert len(read_waveform(file).samples) >= len(WAVE)
    file.write_bytes(file.read_bytes()[: int(0.6 * file.stat().st_size)])
    why = refusal(file)
    assert "broken off" in why
    assert 'ffmpeg -i "sound.' in why
    assert not capfd.readouterr().err


def test_how_much_is_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(36 + len(PCM), len(PCM), PCM[: len(PCM) // 4]))
    assert "0.25 of 1.00 seconds" in refusal(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(wav(36 + len(PCM), len(PCM), b""))
    assert "broken off" in refusal(tmp_path / "b.wav")


@pytest.mark.parametrize(
    "header",
    [
        wav(UNKNOWN, UNKNOWN),  # ffmpeg
        wav(UNKNOWN - 7, UNKNOWN - 43),
        wav(0x7FFFF024, 0x7FFFF000),  # SoX
        wav(0x80000024, 0x80000000),  # arecord
        wav(0, 0),
        wav(36, 0),  # a recorder that was stopped before it could say more
        wav(36 + len(PCM), 0),
        wav(36 + len(PCM), len(PCM) + 44),  # counts its header
        wav(UNKNOWN, UNKNOWN, PCM, b"RF64", struct.pack("<4sIQQQI", b"ds64", 28, 0, 0, 0, 0)),
        wav(UNKNOWN, UNKNOWN, PCM, b"RF64", struct.pack("<4sIqqqI", b"ds64", 28, -1, -1, 0, 0)),
        b".snd" + struct.pack(">5I", 24, UNKNOWN, 3, 16_000, 1)
        + np.frombuffer(PCM, "<i2").astype(">i2").tobytes(),
    ],
)  # fmt: skip
def test_headers_of_what_was_written_into_a_pipe(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(header)
    read = read_waveform(tmp_path / "a.wav")
    np.testing.assert_allclose(read.samples, WAVE, atol=1e-4)


def test_a_chunk_without_sound_stays_empty(tmp_path: Path) -> None:
    note = b"LIST" + struct.pack("<I", 4) + b"INFO"
    (tmp_path / "a.wav").write_bytes(wav(36 + len(note), 0, note))
    assert refusal(tmp_path / "a.wav") == "holds no samples"


def test_headers_decide_neither_memory_nor_time(tmp_path: Path) -> None:
    flac = tmp_path / "a.flac"
    soundfile.write(flac, WAVE, 16_000)
    streamed, endless = bytearray(flac.read_bytes()), bytearray(flac.read_bytes())
    streamed[21] &= 0xF0
    streamed[22:26] = bytes(4)  # the number of samples is not known
    flac.write_bytes(streamed)
    assert len(read_waveform(flac).samples) == len(WAVE)
    endless[21] |= 0x0F
    flac.write_bytes(endless)
    assert "hours" in refusal(flac)
    (tmp_path / "a.wav").write_bytes(wav(UNKNOWN, 4_000_000_000, PCM[:1000]))
    assert len(read_waveform(tmp_path / "a.wav").samples) == 500
    (tmp_path / "a.wav").write_bytes(wav(0, 0, b"x" * 9, before=b"junk\0\0\0\0" * 5000))
    assert refusal(tmp_path / "a.wav")


def test_a_damaged_mp3_is_not_spoken_of_by_its_library(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.mp3"
    soundfile.write(file, WAVE, 16_000)
    whole = file.read_bytes()
    file.write_bytes(b"\x12garbage" * 300 + whole[:1000] + b"\xff" * 40 + whole[1000:])
    with contextlib.suppress(BadSample):
        read_waveform(file)
    os.write(2, b"still heard\n")
    assert capfd.readouterr().err == "still heard\n"
