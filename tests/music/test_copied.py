"""What a translation leaves alone sounds as before; read back with mido, which wrote none of it."""

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from cyclekit_music.codec import MusicCodec, MusicOptions
from cyclekit_music.files import read_piece
from cyclekit_music.reading import read_bytes
from cyclekit_music.writing import to_bytes
from music_support import midi_bytes, note

from cyclekit.api import BadSample

GS_DRUMS = bytes.fromhex("41104212401b150100")  # "use for rhythm part" of part 12, map 1
XG_ON = bytes.fromhex("43104c00007e00")
XG_DRUMS = bytes.fromhex("43104c080a0702")  # part 11: drum setup 1
GM2_ON = bytes.fromhex("7e7f0903")


def meta(kind: str, **values: Any) -> mido.MetaMessage:
    return mido.MetaMessage(kind, **values)


def message(kind: str, **values: Any) -> mido.Message:
    return mido.Message(kind, **values)


def through(data: bytes) -> mido.MidiFile:
    """A file encoded and decoded, and read by mido."""
    codec = MusicCodec(MusicOptions(program_b=52))
    sample = codec.encode(read_bytes(data), "a")
    made = codec.decode(sample.tensor.float(), "b", sample.meta)
    return mido.MidiFile(file=io.BytesIO(to_bytes(made)))


def timed(track: Any) -> list[tuple[int, list[int]]]:
    """Tick and bytes of each event, track's end aside."""
    now, found = 0, []
    for event in track:
        now += event.time
        if event.type != "end_of_track":
            found.append((now, event.bytes()))
    return found


MELODY = [note_ for pitch in (60, 62, 64, 65) for note_ in note(pitch, 480, channel=2)]
SETUP = [
    meta("copyright", text="\xa9"),
    message("sysex", data=GS_DRUMS),
    meta("key_signature", key="Eb"),
    mido.UnknownMetaMessage(0x7A, data=(1, 2, 255)),
    meta("lyrics", text="la", time=240),
    meta("set_tempo", tempo=412_345, time=0),
]
KIT = [
    meta("track_name", name="\x83h\x83\x89\x83\x80"),  # Shift-JIS
    message("control_change", channel=11, control=0, value=1),
    message("program_change", channel=11, program=25),
    message("control_change", channel=11, control=7, value=33),
    *note(38, 120, channel=11),
    message("pitchwheel", channel=11, pitch=-700),
    message("polytouch", channel=11, note=38, value=3, time=7),
    *note(40, 120, channel=11),
]
BASS = [
    meta("midi_port", port=1),
    meta("track_name", name="Fl\xfbte"),  # Latin-1
    message("program_change", channel=9, program=16),
    *note(36, 480, channel=9),
]


def test_what_is_not_translated_comes_back_byte_for_byte() -> None:
    data = midi_bytes(SETUP, MELODY, KIT, BASS)
    source = mido.MidiFile(file=io.BytesIO(data))
    setup, kit, bass, new = through(data).tracks
    assert timed(setup) == timed(source.tracks[0])
    assert timed(kit) == timed(source.tracks[2])
    assert timed(bass) == timed(source.tracks[3])
    assert [event.program for event in new if event.type == "program_change"] == [52]
    assert [event.note for event in new if event.type == "note_on"] == [60, 62, 64, 65]


@pytest.mark.parametrize(
    ("setup", "channel", "bank"),
    [
        ([message("sysex", data=GS_DRUMS)], 11, 0),
        ([message("sysex", data=XG_ON), message("sysex", data=XG_DRUMS)], 10, 0),
        ([message("sysex", data=XG_ON)], 4, 127),
        ([message("sysex", data=GM2_ON)], 4, 120),
    ],
)
def test_a_second_drum_kit_is_no_piano(setup: list[mido.Message], channel: int, bank: int) -> None:
    select = [
        message("control_change", channel=channel, control=0, value=bank),
        message("program_change", channel=channel, program=8),
    ]
    kit = [*select, *note(38, 480, channel=channel)]
    read = read_bytes(midi_bytes(setup, kit, MELODY))
    assert read.notes["pitch"][read.drums].tolist() == [38]
    without = read_bytes(midi_bytes(kit, MELODY))
    assert not without.drums.any()


def test_a_kit_can_be_switched_off_and_begins_when_it_is_said() -> None:
    data = midi_bytes(
        [
            message("sysex", data=bytes.fromhex("411042124010150000")),  # part 10 plays notes
            *note(60, 480, channel=9),
            *note(61, 480, channel=11),
            message("sysex", data=GS_DRUMS),
            *note(62, 480, channel=11),
        ]
    )
    read = read_bytes(data)
    assert read.notes["pitch"][read.drums].tolist() == [62]


def test_a_new_part_takes_no_channel_that_is_played_on() -> None:
    tracks = [
        [meta("midi_port", port=port), *note(12, 480, channel=channel)]  # below a roll's range
        for port in (0, 1)
        for channel in range(16)
    ]
    made = through(midi_bytes(MELODY, *tracks))
    *_, new = made.tracks
    assert new[0] == meta("midi_port", port=2)
    assert len(made.tracks) == 1 + 32 + 1


def test_a_new_part_is_as_loud_and_where_the_old_one_was() -> None:
    mix = [message("control_change", channel=2, control=7, value=50),
           message("control_change", channel=2, control=10, value=20, time=10),
           message("control_change", channel=2, control=64, value=127)]  # fmt: skip
    late = [message("control_change", channel=2, control=7, value=9, time=480)]
    *_, new = through(midi_bytes([], [*mix, *MELODY, *late], KIT)).tracks
    said = {e.control: e.value for e in new if e.type == "control_change"}
    assert said == {7: 50, 10: 20}


def test_values_out_of_range_are_clipped_and_said() -> None:
    data = midi_bytes([message("control_change", control=7, value=55), *note(62, 480)], KIT)
    broken = data.replace(b"\xb0\x07\x37", b"\xb0\x07\xff")
    for fast in (False, True):
        read = read_bytes(broken, fast)
        assert read.clipped
        assert read.notes["pitch"].tolist() == read_bytes(data).notes["pitch"].tolist()
    codec = MusicCodec(MusicOptions())
    facts = codec.encode(read, "a").facts
    assert any("above 127" in said for said in codec.remarks({"a": [facts]}))
    (control,) = [e for e in mido.MidiFile(file=io.BytesIO(to_bytes(read))).tracks[0]
                  if e.type == "control_change"]  # fmt: skip
    assert control.value == 127


@pytest.mark.parametrize("before", [b"", b"LIST\x03\0\0\0abc\0"])
def test_midi_in_riff_is_read(before: bytes, tmp_path: Path) -> None:
    data = midi_bytes([*note(62, 480)], KIT)
    body = b"RMID" + before + b"data" + struct.pack("<I", len(data)) + data
    file = tmp_path / "tune.rmi"
    file.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert np.array_equal(read_piece(file).notes, read_bytes(data).notes)
    assert MusicCodec(MusicOptions()).recognises(file.read_bytes()[:512])
    file.write_bytes(b"RIFF\x04\0\0\0RMID")
    with pytest.raises(BadSample, match="without MIDI"):
        read_piece(file)


def test_events_that_mido_gives_up_are_kept() -> None:
    packets = b"\x00\xf0\x02\x41\x10\x00\xf7\x03\x42\x12\xf7"  # one message in two packets
    short = b"\x00\xff\x20\x00"  # a channel prefix that names none
    data = midi_bytes([], [*note(62, 480), *note(12, 480, channel=3)])
    place = data.rindex(b"MTrk")
    length = struct.unpack(">I", data[place + 4 : place + 8])[0]
    data = (
        data[: place + 4]
        + struct.pack(">I", length + len(packets + short))
        + packets
        + short
        + data[place + 8 :]
    )
    codec = MusicCodec(MusicOptions())
    sample = codec.encode(read_bytes(data), "a")
    made = to_bytes(codec.decode(sample.tensor.float(), "b", sample.meta))
    assert packets + short in made


def test_coarse_files_keep_their_other_events_in_time() -> None:
    data = midi_bytes([message("program_change", channel=9, program=8, time=5),
                       *note(38, 10, 9), *note(60, 10)], division=10)  # fmt: skip
    made = through(data)
    assert made.ticks_per_beat == 100
    assert [tick for tick, _ in timed(made.tracks[0])] == [50, 50, 150]


def test_too_many_notes_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyclekit_music.reading.MOST_NOTES", 3)
    with pytest.raises(ValueError, match="holds 4 notes; at most 3"):
        read_bytes(midi_bytes(MELODY))


def test_a_beginning_ends_before_what_pretty_midi_takes() -> None:
    read = read_bytes(midi_bytes([meta("set_tempo", tempo=1), *note(60, 12_000_000), *MELODY]))
    begun = read.until(20)
    assert begun.end < 10_000_000
    assert len(begun.notes) == 1
    assert replace(read, frame=None).until(1e-9).notes["end"].tolist() == [1]
