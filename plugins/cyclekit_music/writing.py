"""Write a piece as a MIDI file, every event at its own tick."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import mido
import numpy as np

from cyclekit_music.events import scan, written
from cyclekit_music.frame import Frame, Place
from cyclekit_music.piece import DRUM_CHANNEL, Piece

OTHERS = [channel for channel in range(1, 16) if channel != DRUM_CHANNEL]
BEFORE = -1  # ticks: before everything else


def write_piece(piece: Piece, path: Path) -> Path:
    """Write MIDI of type 1, whatever suffix ``path`` has; returns the file written."""
    path = path.with_suffix(".mid")
    path.write_bytes(to_bytes(piece))
    return path


def to_bytes(piece: Piece) -> bytes:
    """The piece as a MIDI file: what is left of the one it was read from, then what is new."""
    if piece.frame is None:
        return _saved(to_mido(piece))
    frame, tracks = Frame(piece.frame, piece), []
    new = np.unique(piece.notes["part"][frame.missing]).tolist()
    for index, place in zip(new, frame.free(), strict=False):
        notes = piece.notes[frame.missing & (piece.notes["part"] == index)]
        mix = frame.mix(piece.parts[index].program)
        # Not at the beginning, where a file may still reset what plays it.
        tracks.append(_part_track(piece, index, notes, place, mix, int(notes["start"].min())))
    added = mido.MidiFile(type=1, ticks_per_beat=piece.resolution, tracks=tracks)
    return written([*frame.tracks, *scan(_saved(added))], piece.resolution)


def to_mido(piece: Piece) -> mido.MidiFile:
    """Notes, tempi and signatures as messages: a track of the latter, then one for each part."""
    midi = mido.MidiFile(type=1, ticks_per_beat=piece.resolution, charset="utf-8")
    events = [
        (tick, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in piece.tempi.tolist()
    ]
    events += [
        (tick, mido.MetaMessage("time_signature", numerator=beats, denominator=unit))
        for tick, beats, unit in piece.signatures.tolist()
    ]
    midi.tracks.append(_track(events))
    for index, place in _places(piece):
        notes = piece.notes[piece.notes["part"] == index]
        midi.tracks.append(_part_track(piece, index, notes, place))
    return midi


def _saved(midi: mido.MidiFile) -> bytes:
    file = io.BytesIO()
    midi.save(file=file)
    return file.getvalue()


def _places(piece: Piece) -> Iterator[tuple[int, Place]]:
    """The parts that play, each with a channel of its own on as many ports as that takes; nobody
    shares the first part's, even for those who know no ports."""
    played = np.unique(piece.notes["part"]).tolist()
    drums = [index for index in played if piece.parts[index].drums]
    first, *others = [index for index in played if index not in drums] or [-1]
    for index in played:
        if index == first:
            yield index, Place(0, 0)
        elif piece.parts[index].drums:
            yield index, Place(drums.index(index), DRUM_CHANNEL)
        else:
            port, number = divmod(others.index(index), len(OTHERS))
            yield index, Place(port, OTHERS[number])


def _part_track(
    piece: Piece,
    index: int,
    notes: np.ndarray,
    place: Place,
    mix: Mapping[int, int] = {},
    begin: int = BEFORE,
) -> mido.MidiTrack:
    part = piece.parts[index]
    events = []
    for note in notes:
        pitch, velocity = int(note["pitch"]), int(note["velocity"])
        on = mido.Message("note_on", channel=place.channel, note=pitch, velocity=velocity)
        off = mido.Message("note_off", channel=place.channel, note=pitch, velocity=0)
        events += [(int(note["start"]), on), (int(note["end"]), off)]
    head = [(BEFORE, mido.MetaMessage("midi_port", port=place.port))] if place.port else []
    head += [(BEFORE, mido.MetaMessage("track_name", name=part.name))] if part.name else []
    head += [
        (begin, mido.Message("control_change", channel=place.channel, control=number, value=value))
        for number, value in sorted(mix.items())
    ]
    program = mido.Message("program_change", channel=place.channel, program=part.program)
    return _track([*head, (begin, program), *events])


def _track(events: list[tuple[int, mido.Message]]) -> mido.MidiTrack:
    """Events in order, notes' ends before their beginnings, each with the ticks since the last."""
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type == "note_on")):
        message.time = max(tick, 0) - now
        track.append(message)
        now = max(tick, 0)
    track.append(mido.MetaMessage("end_of_track", time=1))
    return track
