"""What a file is said to be, and what it is."""

from pathlib import Path

import pytest
from cyclekit_audio.codec import AudioCodec, AudioOptions
from cyclekit_image.codec import ImageCodec
from cyclekit_image.options import ImageOptions
from cyclekit_music.codec import MusicCodec, MusicOptions
from support import draw

from cyclekit.api import Codec
from cyclekit.data.kinds import is_sequence
from cyclekit.serving.task import Claim
from cyclekit.serving.worker import strange

pytest.importorskip("gradio", reason="needs cyclekit[serve]")

from cyclekit.serving.blocks import claim_of as claim_of_name
from cyclekit.serving.receiving import claim_of

MIDI = b"MThd" + bytes(20)
WAV = b"RIFF\1\2\3\4WAVEfmt "
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
FILM = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
HTML = b"<!doctype html><title>No picture</title>"


@pytest.mark.parametrize(
    ("content_type", "suffix", "doubted"),
    [
        ("", "", False),
        ("application/octet-stream", "", False),
        ("application/x-www-form-urlencoded", "", False),
        ("audio/wav", ".wav", False),
        ("audio/x-wav; rate=8000", ".wav", False),
        ("image/png", "", True),
        ("text/html", "", True),
        ("x" * 4000, "", True),
        ("/", "", True),
    ],
)
def test_a_content_type_is_a_claim(content_type: str, suffix: str, doubted: bool) -> None:
    can = {"suffixes": [".flac", ".wav"]}
    assert claim_of(None, content_type, can) == Claim(suffix, doubted)
    assert claim_of(".FLAC", content_type, can) == Claim(".flac")
    assert not claim_of(None, content_type, {"suffixes": []}).doubted  # every file is a sample


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("x.WAV", Claim(".wav")),
        ("x", Claim()),
        ("x.png", Claim(doubted=True)),
        ("x.no suffix at all", Claim()),
    ],
)
def test_so_is_the_name_of_a_file_on_the_page(name: str, claim: Claim) -> None:
    assert claim_of_name(Path(name), [".flac", ".wav"]) == claim


@pytest.mark.parametrize(
    ("codec", "content", "taken"),
    [
        (MusicCodec(MusicOptions()), MIDI, True),
        (MusicCodec(MusicOptions()), PNG, False),
        (AudioCodec(AudioOptions()), WAV, True),
        (AudioCodec(AudioOptions()), MIDI, False),
        (ImageCodec(ImageOptions()), PNG, True),
        (ImageCodec(ImageOptions()), FILM, True),
        (ImageCodec(ImageOptions()), HTML, False),
    ],
)
def test_a_doubted_file_is_taken_for_what_is_in_it(
    tmp_path: Path, codec: Codec[object], content: bytes, taken: bool
) -> None:
    file = tmp_path / "input"
    file.write_bytes(content)
    assert strange(codec, {"task": file}, None, []) == {}
    found = strange(codec, {"task": file}, None, [file])
    assert bool(found) is not taken
    found = strange(codec, {"task": tmp_path / "another"}, file, [file])  # an example
    assert bool(found) is not taken
    if content == HTML:
        assert "web page" in str(found["task"])


def test_many_items_are_told_from_one_by_what_is_inside(tmp_path: Path) -> None:
    codec = ImageCodec(ImageOptions())
    for name, content, many in (
        ("film.mp4", FILM, True), ("film", FILM, True), ("film.png", FILM, True),
        ("picture.mp4", PNG, False), ("picture.png", PNG, False), ("unknown.mp4", b"?", True),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert is_sequence(codec, tmp_path / name) is many, name
    assert is_sequence(codec, tmp_path / "missing.mp4")
    assert not is_sequence(codec, draw(tmp_path / "drawn.mp4.png", 0))
