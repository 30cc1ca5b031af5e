"""Write a piece as a MIDI file, every event at its own tick."""

from pathlib import Path

import mido
import numpy as np

from cyclekit_music.piece import DRUM_CHANNEL, Piece

CHANNELS = [channel for channel in range(16) if channel != DRUM_CHANNEL]


def write_piece(piece: Piece, path: Path) -> Path:
    """Write MIDI of type 1, whatever suffix ``path`` has; returns the file written."""
    path = path.with_suffix(".mid")
    to_mido(piece).save(path)
    return path


def to_mido(piece: Piece) -> mido.MidiFile:
    """The piece as messages: a track of tempi and signatures, then a track for each part."""
    midi = mido.MidiFile(type=1, ticks_per_beat=piece.resolution, charset="utf-8")
    events = [
        (tick, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in piece.tempi.tolist()
    ]
    events += [
        (tick, mido.MetaMessage("time_signature", numerator=beats, denominator=unit))
        for tick, beats, unit in piece.signatures.tolist()
    ]
    midi.tracks.append(_track(events))
    played = np.unique(piece.notes["part"]).tolist()
    melodic = [index for index in played if not piece.parts[index].drums]
    for index in played:
        channel = DRUM_CHANNEL if piece.parts[index].drums else _channel(melodic.index(index))
        midi.tracks.append(_part_track(piece, index, channel))
    return midi


def _channel(number: int) -> int:
    """The first part has a channel of its own; too many others share theirs."""
    if number < len(CHANNELS):
        return CHANNELS[number]
    return CHANNELS[1 + (number - 1) % (len(CHANNELS) - 1)]


def _part_track(piece: Piece, index: int, channel: int) -> mido.MidiTrack:
    part = piece.parts[index]
    events = []
    for note in piece.notes[piece.notes["part"] == index]:
        pitch, velocity = int(note["pitch"]), int(note["velocity"])
        on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
        off = mido.Message("note_off", channel=channel, note=pitch, velocity=0)
        events += [(int(note["start"]), on), (int(note["end"]), off)]
    head = [(-1, mido.MetaMessage("track_name", name=part.name))] if part.name else []
    head.append((-1, mido.Message("program_change", channel=channel, program=part.program)))
    return _track(head + events)


def _track(events: list[tuple[int, mido.Message]]) -> mido.MidiTrack:
    """Events in order, notes' ends before their beginnings, each with the ticks since the last."""
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type == "note_on")):
        message.time = max(tick, 0) - now
        track.append(message)
        now = max(tick, 0)
    track.append(mido.MetaMessage("end_of_track", time=1))
    return track
