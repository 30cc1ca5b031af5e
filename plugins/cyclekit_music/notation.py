"""Pieces as rolls of phrases, and back: all of the codec that needs no network and no file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from cyclekit_music.grid import BEATS, Grid, Spans, find_spans, lay_grid
from cyclekit_music.phrasing import SILENCE, cut_phrases
from cyclekit_music.piece import Array, Part, Piece
from cyclekit_music.roll import (
    PITCHES,
    Representation,
    binarize,
    cells,
    draw_roll,
    in_roll,
    keep_voices,
    mean_velocity,
    read_roll,
    voices,
)

MOSTLY = 0.9  # share of the steps whose number of voices counts as the source's


@dataclass(frozen=True)
class Notation:
    """How pieces are written as rolls; see the codec's options, of which these are some."""

    steps_per_beat: int
    bars: int
    representation: Representation
    meters: str
    pickup: float
    binarize: str
    threshold: float
    voices: str | int
    program_a: int | None
    program_b: int | None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Notation":
        """That of a codec's settings."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})

    @property
    def bar(self) -> int:
        """Steps in a bar."""
        return BEATS * self.steps_per_beat

    @property
    def window(self) -> int:
        """Steps in a window."""
        return self.bars * self.bar

    def encode(self, piece: Piece) -> tuple[Array, dict[str, Any], dict[str, float]]:
        """A piece as ``(channels, phrases * window, pitches)``, without phrases that are silent.

        Returns:
            The roll, what ``decode`` needs besides, and what was noticed.
        """
        spans = self.spans(piece)
        grid = self.grid(spans, piece.resolution)
        usable = in_roll(piece, grid)
        notes = piece.notes[usable]
        roll = draw_roll(notes, grid, self.representation)
        phrases, _ = self._phrases(grid)
        cut = at_steps(roll, phrases)
        heard: Array = np.asarray(cut.any(axis=(0, 2, 3)))
        heard[0] |= not heard.any()  # a tensor has one phrase at least
        meta = {
            "piece": replace(piece, notes=piece.notes[~usable]).meta(),
            "spans": [list(span) for span in spans],
            "cells": cells(roll),
            "voices": int(np.quantile(voices(roll), MOSTLY, method="higher")) if roll.any() else 1,
            "tails": _tails(notes, grid),
            "heard": heard,
            "velocity": mean_velocity(notes, grid),
            "program": _most_heard(piece, notes),
        }
        kept = int(read_roll(roll, grid)[0].size)
        facts = {
            "notes": float(len(notes)),
            "off_grid": grid.off_grid(notes["start"]),
            "lost_onsets": 1 - kept / len(notes) if len(notes) else 0.0,
            "set_aside": 1 - len(notes) / max(len(usable), 1),
            "other_meters": _elsewhere(piece, grid),
            "clipped": float(piece.clipped),
            "voices": float(voices(roll).mean()) if roll.any() else 0.0,
        }
        return np.ascontiguousarray(cut[:, heard]).reshape(len(roll), -1, PITCHES), meta, facts

    def decode(self, phrases: Array, domain: str, meta: Mapping[str, Any]) -> Piece:
        """Notes of a roll, on the source's tempo map, with what was set aside.

        Args:
            phrases: ``(channels, phrases * window, pitches)``: how sure a network is of each cell.
            domain: Which it is now.
            meta: As ``encode`` returned it.
        """
        source = Piece.from_meta(meta["piece"])
        grid = self.grid(meta["spans"], source.resolution)
        values = self.taken_back(phrases, grid, meta["heard"])
        wanted = meta["cells"] if self.binarize == "density" else None
        roll = binarize(values, self.threshold, wanted)
        if self.voices != "any":
            most = meta["voices"] if self.voices == "source" else int(self.voices)
            roll = keep_voices(roll, values, most, grid)
        notes, steps = read_roll(roll, grid)
        notes["velocity"] = meta["velocity"][steps]
        for stop, pitch, end in meta["tails"]:
            notes["end"][(notes["end"] == stop) & (notes["pitch"] == pitch)] = end
        chosen = self.program_a if domain == "a" else self.program_b
        part = Part(program=meta["program"] if chosen is None else chosen)
        aside = source.notes.copy()
        aside["part"] += 1
        together = np.concatenate([notes, aside])
        together.sort(order=("start", "pitch", "end", "part"))
        return replace(source, notes=together, parts=(part, *source.parts))

    def spans(self, piece: Piece) -> Spans:
        """The regions of a piece that a roll shows."""
        return find_spans(piece, self.meters == "any", self.pickup)

    def grid(self, spans: Spans, resolution: int) -> Grid:
        """Their steps."""
        return lay_grid(spans, resolution / self.steps_per_beat)

    def taken_back(self, values: Array, grid: Grid, heard: Array) -> Array:
        """``(channels, steps, pitches)`` of a tensor of phrases; what was not heard is silent."""
        number, place = self._phrases(grid)[1].T
        there = np.asarray(heard, dtype=bool)
        found = (np.cumsum(there) - 1)[number] * self.window + place
        taken: Array = values[:, np.where(there[number], found, 0)]
        taken[:, ~there[number]] = 0  # a long rest stays one
        return taken

    def _phrases(self, grid: Grid) -> tuple[Array, Array]:
        return cut_phrases(grid.regions, self.window, self.bar)


def at_steps(roll: Array, steps: Array) -> Array:
    """``(channels, *steps, pitches)``: a roll at some steps, silent where there is ``SILENCE``."""
    taken: Array = roll[:, np.maximum(steps, 0)]
    taken[:, steps == SILENCE] = 0
    return taken


def _elsewhere(piece: Piece, grid: Grid) -> float:
    """Share of the notes, drums aside, in bars that are copied through."""
    starts = piece.notes["start"][~piece.drums]
    return float((grid.starts(starts) < 0).mean()) if len(starts) else 0.0


def _tails(notes: Array, grid: Grid) -> list[list[int]]:
    """Notes held into a region that is copied through: where the roll ends, pitch, true end."""
    starts = grid.starts(notes["start"])
    held = grid.tails(notes["end"], starts)
    stops = grid.stops[grid.ends(notes["end"], starts) - 1].round().astype(int)
    return [
        [int(stop), int(note["pitch"]), int(note["end"])]
        for stop, note in zip(stops[held], notes[held], strict=True)
    ]


def _most_heard(piece: Piece, notes: Array) -> int:
    """The program whose notes sound longest."""
    heard = np.bincount(notes["part"], notes["end"] - notes["start"], minlength=len(piece.parts))
    by_program: dict[int, float] = {}
    for part, ticks in zip(piece.parts, heard, strict=True):
        by_program[part.program] = by_program.get(part.program, 0.0) + float(ticks)
    return max(by_program, key=lambda program: by_program[program], default=0)
