"""MIDI is read tick by tick, the same by mido and by symusic; what cannot be used is named."""

import io
import struct
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from cyclekit_music.conversion import from_pretty_midi, to_pretty_midi
from cyclekit_music.events import NotMidiError
from cyclekit_music.piece import Part, make_notes
from cyclekit_music.reading import read_bytes, read_piece
from cyclekit_music.writing import to_mido, write_piece
from music_support import header, midi_bytes, note, piece, rows, scale

from cyclekit.api import BadSample

pytestmark = pytest.mark.filterwarnings("ignore:Tempo, Key or Time")

READERS = pytest.mark.parametrize("fast", [False, True], ids=["events", "symusic"])


def on(pitch: int, time: int = 0, channel: int = 0, velocity: int = 64) -> mido.Message:
    return mido.Message("note_on", note=pitch, velocity=velocity, channel=channel, time=time)


def off(pitch: int, time: int = 0, channel: int = 0) -> mido.Message:
    return mido.Message("note_off", note=pitch, channel=channel, time=time)


@READERS
def test_notes_tempi_and_signatures_come_at_their_ticks(fast: bool) -> None:
    data = midi_bytes(
        [
            mido.MetaMessage("set_tempo", tempo=400_000, time=0),
            mido.MetaMessage("set_tempo", tempo=612_345, time=777),
        ],
        [mido.MetaMessage("time_signature", numerator=3, denominator=8, time=480)],
        [mido.Message("program_change", program=40), on(60, 7), off(60, 13), *note(35, 5, 9)],
    )
    read = read_bytes(data, fast)
    assert read.tempi.tolist() == [[0, 400_000], [777, 612_345]]
    assert read.signatures.tolist() == [[480, 3, 8]]
    played = [(n["start"], n["end"], n["pitch"], read.parts[n["part"]]) for n in read.notes]
    assert [row[:3] for row in played] == [(7, 20, 60), (20, 25, 35)]
    assert played[0][3].program == 40
    assert [row[3].drums for row in played] == [False, True]


@READERS
def test_a_note_off_ends_the_oldest_open_note(fast: bool) -> None:
    data = midi_bytes([on(60), on(60, 100), off(60, 50), off(60, 50)])
    assert [(n["start"], n["end"]) for n in read_bytes(data, fast).notes] == [(0, 150), (100, 200)]


@READERS
def test_a_note_that_ends_at_once_is_the_shortest(fast: bool) -> None:
    data = midi_bytes([on(60, 10), off(60, 0), *note(62, 480)])
    first = read_bytes(data, fast).notes[0]
    assert (first["start"], first["end"]) == (10, 11)


@READERS
def test_a_note_without_end_is_left_out(fast: bool) -> None:
    data = midi_bytes([*note(62, 480), on(60, 10)])
    assert rows(read_bytes(data, fast)) == [(0, 1, 62)]


@READERS
def test_a_key_signature_that_does_not_exist_costs_nothing(fast: bool) -> None:
    data = midi_bytes([mido.MetaMessage("key_signature", key="F"), *note(62, 480)])
    place = data.index(b"\xff\x59\x02")
    broken = data[: place + 4] + b"\xff" + data[place + 5 :]
    with pytest.raises(Exception, match="mode 255"):
        mido.MidiFile(file=io.BytesIO(broken))
    assert rows(read_bytes(broken, fast)) == [(0, 1, 62)]


@READERS
def test_a_coarse_file_is_rescaled(fast: bool) -> None:
    read = read_bytes(midi_bytes([*note(62, 5)], division=10), fast)
    assert read.resolution >= 96
    assert rows(read) == [(0, 0.5, 62)]


@pytest.mark.slow
@READERS
def test_six_hours_and_a_hundred_thousand_tempi(fast: bool) -> None:
    tempi = [mido.MetaMessage("set_tempo", tempo=500_000 + n % 7, time=1) for n in range(100_000)]
    read = read_bytes(midi_bytes(tempi, [on(60), off(60, 6 * 3600 * 2 * 480)]), fast)
    assert len(read.tempi) == 100_001
    assert read.seconds(read.end) == pytest.approx(6 * 3600, rel=1e-4)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"RIFF" + bytes(40), "is no MIDI file"),
        (header() + b"MTrk\x00\x00\xff\xff\x00", "is truncated"),
        (header(tracks=3), "is truncated: 0 of 3 tracks"),
        (header(division=0xE728) + b"MTrk\x00\x00\x00\x04\x00\xff\x2f\x00", "SMPTE"),
        (header(division=0), "no ticks"),
        (header(kind=2), "type 2"),
        (midi_bytes([on(60), off(60, 100_001 * 480)]), "lasts 100,001 beats"),
        (header() + b"MTrk" + struct.pack(">I", 4) + b"\xff\xff\xff\xff", "cannot be read as MIDI"),
    ],
)
@READERS
def test_what_is_wrong_is_said(data: bytes, said: str, fast: bool) -> None:
    with pytest.raises(NotMidiError, match=said):
        read_bytes(data, fast)


def test_files_that_cannot_be_opened_are_bad_samples(tmp_path: Path) -> None:
    (tmp_path / "big.mid").write_bytes(header() + bytes(17 * 2**20))
    for name, said in (("none.mid", "No such file"), (".", "directory"), ("big.mid", "16 MiB")):
        with pytest.raises(BadSample, match=said):
            read_piece(tmp_path / name)


@READERS
def test_what_is_written_is_read_again(fast: bool, tmp_path: Path) -> None:
    made = piece(
        *scale(5),
        signatures=[(0, 4, 4), (8, 3, 4), (11, 2, 2)],
        tempi=[(0, 431_111), (3.25, 600_000)],
        parts=(Part(33, name="Über"),),
    )
    file = write_piece(made, tmp_path / "made.x")
    assert file.name == "made.mid"
    read = read_bytes(file.read_bytes(), fast)
    assert np.array_equal(read.notes, made.notes)
    assert np.array_equal(read.tempi, made.tempi)
    assert np.array_equal(read.signatures, made.signatures)
    assert [(part.program, part.name) for part in read.parts] == [(33, "Über")]


@READERS
def test_a_time_signature_that_does_not_exist_becomes_common_time(fast: bool) -> None:
    data = midi_bytes(
        [mido.MetaMessage("time_signature", numerator=3, denominator=4), *note(62, 480)]
    )
    place = data.index(b"\xff\x58\x04") + 3
    for beats, unit in ((3, 8), (3, 64), (3, 200), (0, 2)):
        broken = data[:place] + bytes([beats, unit]) + data[place + 2 :]
        assert read_bytes(broken, fast).signatures.tolist() == [[0, 4, 4]]


def test_every_part_has_a_place_of_its_own_and_nobody_shares_the_firsts_channel() -> None:
    parts = tuple(Part(program, drums=program in (3, 4)) for program in range(40))
    notes = make_notes((0, 480, 60, 70, part) for part in range(40) if part != 5)
    made = replace(piece(), notes=notes, parts=parts)
    places: dict[tuple[int, int], int] = {}
    for track in to_mido(made).tracks[1:]:
        port = next((event.port for event in track if event.type == "midi_port"), 0)
        program = next(event for event in track if event.type == "program_change")
        assert (port, program.channel) not in places
        places[port, program.channel] = program.program
    assert sorted(places.values()) == [program for program in range(40) if program != 5]
    assert {place: program for place, program in places.items() if place[1] == 0} == {(0, 0): 0}
    assert {places[port, 9] for port in (0, 1)} == {3, 4}


def test_pretty_midi_takes_it_and_gives_it_back() -> None:
    made = piece(*scale(5), tempi=[(0, 400_000), (3.25, 600_000)], parts=(Part(33),))
    pretty = to_pretty_midi(made)
    assert isinstance(pretty, pretty_midi.PrettyMIDI)
    assert pretty.get_end_time() == pytest.approx(float(made.seconds(made.end)))
    back = from_pretty_midi(pretty)
    assert rows(back) == rows(made)


def test_seconds_follow_the_tempo_map() -> None:
    made = piece(*scale(2), tempi=[(0, 500_000), (4, 1_000_000)])
    assert made.seconds([0, 480, 4 * 480, 6 * 480]).tolist() == [0, 0.5, 2, 4]
    cut = made.until(3.5)
    assert cut.seconds(cut.end) == pytest.approx(3.5)
    assert len(cut.notes) == 2 + 4 + 2
    late = piece(*scale(2), tempi=[(0, 500_000), (10**5, 400_000)]).until(3.5)
    assert len(late.tempi) == 1
    assert to_pretty_midi(late).get_end_time() == pytest.approx(3.5)


def test_messages_are_in_order() -> None:
    midi = to_mido(piece((0, 1, 60), (1, 1, 60)))
    kinds = [message.type for message in midi.tracks[1] if not message.is_meta]
    assert kinds == ["program_change", "note_on", "note_off", "note_on", "note_off"]
