"""MIDI <-> piano rolls on the beat grid. What a roll cannot show is set aside and given back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pretty_midi
import torch
from pydantic import Field, model_validator
from torch import Tensor

from cyclekit.api import BadSample, Codec, Media, Options, PreviewRow, Sample, TensorSpec
from cyclekit_music.conversion import from_pretty_midi, to_pretty_midi
from cyclekit_music.grid import BEATS, Grid, NoBarsError, Spans, find_spans, lay_grid
from cyclekit_music.phrasing import SILENCE, cut_phrases, phrase, phrase_starts
from cyclekit_music.piece import Array, Part, Piece
from cyclekit_music.reading import is_midi, read_piece
from cyclekit_music.roll import (
    CHANNELS,
    PITCHES,
    Representation,
    binarize,
    cells,
    draw_roll,
    in_roll,
    keep_voices,
    mean_velocity,
    read_roll,
    transpose,
    voices,
)
from cyclekit_music.sheet import draw_sheet
from cyclekit_music.sound import SAMPLE_RATE, play, write_sound
from cyclekit_music.writing import write_piece

ONE_VOICE = 1.05  # pitches at once on average: ends of notes overlap a little
MOSTLY = 0.9  # share of the steps whose number of voices counts as the source's
REMARKS = {
    "other_meters": "have bars that are not of four or two quarters; they are copied through as "
    "they are (--set codec.meters=any takes them too)",
    "clipped": "hold values above 127, which MIDI does not have, and were read as 127",
}

Program = Annotated[int, Field(ge=0, le=127)]
Semitones = Annotated[int, Field(ge=-48, le=48)]


class MusicOptions(Options):
    """How pieces become rolls. Pitches run from C1 to B7; all instruments but drums are merged."""

    former_names: ClassVar[Mapping[str, str]] = {"hop": "stride"}

    steps_per_beat: Literal[4, 6, 12, 24] = 4
    """Steps of a quarter note. 4: sixteenths, as in the paper; 6 and 12 hold triplets and swing."""
    bars: Annotated[int, Field(ge=1, le=64)] = 4
    """Bars in a window, the phrase that networks see."""
    representation: Representation = "onset+sustain"
    """`onset+sustain`: two channels, so that repeated notes stay apart. `binary`: the paper's one,
    in which they run together."""
    meters: Literal["four", "any"] = "four"
    """`four`: use what is in bars of four quarters, or of two, which are joined in twos, and copy
    the rest through. `any`: use everything as if it were in bars of four."""
    strict_meter: bool = False
    """Refuse files that name no time signature; MIDI takes them to be in 4/4."""
    pickup: Annotated[float, Field(ge=0, lt=4)] = 0.0
    """Quarters before the first barline, in every file that does not say so by itself with a short
    first signature."""
    stride: Annotated[int, Field(ge=1, le=64)] = 1
    """Bars between the beginnings of training windows."""
    transpose: tuple[Semitones, Semitones] = (-5, 6)
    """Semitones by which training windows are shifted at random, the same in both domains so
    that the key does not tell them apart."""
    most_off_grid: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Skip files in which a larger share of the notes lies off the grid."""
    binarize: Literal["threshold", "density"] = "threshold"
    """`threshold`: cells above `threshold` are on. `density`: as many cells as in the source."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Smallest value of a cell that is on."""
    voices: Literal["any", "source"] | Annotated[int, Field(ge=1, le=PITCHES)] = "any"
    """Most pitches that sound at once in a translation, those of the strongest notes. `any`: no
    limit. `source`: as many as in nine of ten steps of the source, so that a tune stays one."""
    program_a: Program | None = None
    """General MIDI program of what is translated to domain A; none: the one most heard in the
    source."""
    program_b: Program | None = None
    """The same for domain B."""

    @model_validator(mode="after")
    def _transposes_in_order(self) -> "MusicOptions":
        low, high = self.transpose
        if low > high:
            raise ValueError(
                f"codec.transpose runs from {low} down to {high}: give the lower first"
            )
        return self

    @property
    def window(self) -> int:
        """Steps in a window."""
        return self.bars * self.bar

    @property
    def bar(self) -> int:
        """Steps in a bar."""
        return BEATS * self.steps_per_beat


class MusicCodec(Codec[Piece]):
    """Pieces as ``(channels, steps, 84)`` of 0 and 1; ``encode`` takes pretty_midi objects too."""

    suffixes: ClassVar[frozenset[str]] = frozenset({".mid", ".midi", ".kar", ".rmi", ".smf"})

    Options: ClassVar[type[Options]] = MusicOptions
    options: MusicOptions

    def spec(self, domain: str) -> TensorSpec:
        """``(channels, steps of a window, pitches)`` in 0..1."""
        channels = CHANNELS[self.options.representation]
        return TensorSpec(channels, sizes=(self.options.window, PITCHES), range=(0.0, 1.0))

    def recognises(self, head: bytes) -> bool:
        """By how MIDI begins, in RIFF or not."""
        return is_midi(head)

    def load(self, path: Path) -> Piece:
        """Read a MIDI file that has at least one note on the grid."""
        piece = read_piece(path)
        if self.options.strict_meter and not len(piece.signatures):
            raise BadSample(path, "names no time signature, and codec.strict_meter asks for one")
        try:
            grid = self._grid(self._spans(piece), piece.resolution)
        except NoBarsError as error:
            raise BadSample(path, str(error)) from error
        usable = in_roll(piece, grid)
        if not usable.any():
            why = "drums alone" if piece.drums.all() else "no notes between C1 and B7 on its beats"
            raise BadSample(path, f"holds {why}")
        off = grid.off_grid(piece.notes["start"][usable])
        if off > self.options.most_off_grid:
            raise BadSample(
                path,
                f"has {off:.0%} of its notes off the grid; codec.most_off_grid allows "
                f"{self.options.most_off_grid:.0%}",
            )
        return piece

    def read_back(self, path: Path) -> Piece:
        """Read a translation, of which no note may be left."""
        return read_piece(path, silent=True)

    def encode(self, item: Piece | pretty_midi.PrettyMIDI, domain: str) -> Sample:
        """The whole piece: phrases side by side, without those that are silent."""
        piece = _as_piece(item)
        spans = self._spans(piece)
        grid = self._grid(spans, piece.resolution)
        usable = in_roll(piece, grid)
        notes = piece.notes[usable]
        roll = draw_roll(notes, grid, self.options.representation)
        phrases, _ = self._phrases(grid)
        cut = _at(roll, phrases)
        heard: Array = np.asarray(cut.any(axis=(0, 2, 3)))
        heard[0] |= not heard.any()  # a tensor has one phrase at least
        meta = {
            "pretty_midi": item is not piece,
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
        tensor = np.ascontiguousarray(cut[:, heard]).reshape(len(roll), -1, PITCHES)
        return Sample(torch.from_numpy(tensor), meta, facts)

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Any:
        """Notes of a roll, on the source's tempo map, with what was set aside: a piece, or what
        pretty_midi makes of it where that was encoded."""
        source = Piece.from_meta(meta["piece"])
        grid = self._grid(meta["spans"], source.resolution)
        values = self._taken_back(tensor.numpy(), grid, meta["heard"])
        wanted = meta["cells"] if self.options.binarize == "density" else None
        roll = binarize(values, self.options.threshold, wanted)
        if self.options.voices != "any":
            limit = self.options.voices
            roll = keep_voices(roll, values, meta["voices"] if limit == "source" else limit, grid)
        notes, steps = read_roll(roll, grid)
        notes["velocity"] = meta["velocity"][steps]
        for stop, pitch, end in meta["tails"]:
            notes["end"][(notes["end"] == stop) & (notes["pitch"] == pitch)] = end
        chosen = self.options.program_a if domain == "a" else self.options.program_b
        part = Part(program=meta["program"] if chosen is None else chosen)
        aside = source.notes.copy()
        aside["part"] += 1
        together = np.concatenate([notes, aside])
        together.sort(order=("start", "pitch", "end", "part"))
        made = replace(source, notes=together, parts=(part, *source.parts))
        return to_pretty_midi(made) if meta.get("pretty_midi") else made

    def save(self, item: Piece | pretty_midi.PrettyMIDI, path: Path) -> Path:
        """Write MIDI."""
        return write_piece(_as_piece(item), path)

    def windows(self, sample: Sample) -> Sequence[Sample]:
        """Phrases of whole bars from every region, its last ones among them; silent ones are left
        out."""
        options = self.options
        grid = self._grid(sample.meta["spans"], sample.meta["piece"]["resolution"])
        roll = self._taken_back(sample.tensor.numpy(), grid, sample.meta["heard"])
        found = []
        for first, count in grid.regions.tolist():
            for start in phrase_starts(
                count, options.window, options.bar, options.stride * options.bar
            ):
                window = _at(roll, phrase(first, count, start, options.window, options.bar))
                if window.any():
                    found.append(Sample(torch.from_numpy(window)))
        return found

    def remarks(self, facts: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
        """Say what is copied through, what was out of range, and that tunes can be kept tunes."""
        said = []
        for domain, files in facts.items():
            for fact, what in REMARKS.items():
                if concerned := sum(file[fact] > 0 for file in files):
                    said.append(
                        f"{concerned} of {len(files)} files of domain {domain.upper()} {what}"
                    )
        tunes = all(file["voices"] <= ONE_VOICE for files in facts.values() for file in files)
        if tunes and len(facts) > 1 and self.options.voices == "any":
            said.append(
                "all pieces have a single voice, which translations need not have: "
                "--set codec.voices=source keeps it so (the recipe tunes does)"
            )
        return said

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        """Transpose."""
        low, high = self.options.transpose
        semitones = int(torch.randint(low, high + 1, (), generator=rng))
        return torch.from_numpy(transpose(tensor.numpy(), semitones))

    def render(self, rows: Sequence[PreviewRow[Piece]], folder: Path) -> list[Media]:
        """A sheet of piano rolls; every piece as MIDI and its beginning as sound."""
        sheet = draw_sheet(rows)
        path = folder / "sheet.png"
        sheet.save(path)
        media = [Media("samples", path, image=torch.from_numpy(np.array(sheet)).permute(2, 0, 1))]
        for index, row in enumerate(rows):
            stem = f"{index:02d}-{Path(row.name).stem.replace('.', '_')}"
            for heading, piece in row.labelled.items():
                name = f"{stem}-{heading.replace(' ', '-')}"
                write_piece(piece, folder / name)
                sound = play(piece)
                media.append(
                    Media(
                        f"{row.name}/{heading}",
                        write_sound(sound, folder / name),
                        audio=torch.from_numpy(sound),
                        sample_rate=SAMPLE_RATE,
                    )
                )
        return media

    def _spans(self, piece: Piece) -> Spans:
        return find_spans(piece, self.options.meters == "any", self.options.pickup)

    def _grid(self, spans: Spans, resolution: int) -> Grid:
        return lay_grid(spans, resolution / self.options.steps_per_beat)

    def _phrases(self, grid: Grid) -> tuple[Array, Array]:
        return cut_phrases(grid.regions, self.options.window, self.options.bar)

    def _taken_back(self, values: Array, grid: Grid, heard: Array) -> Array:
        """``(channels, steps, pitches)`` of a tensor of phrases; what was not heard is silent."""
        number, place = self._phrases(grid)[1].T
        there = np.asarray(heard, dtype=bool)
        found = (np.cumsum(there) - 1)[number] * self.options.window + place
        taken: Array = values[:, np.where(there[number], found, 0)]
        taken[:, ~there[number]] = 0  # a long rest stays one
        return taken


def _as_piece(item: Piece | pretty_midi.PrettyMIDI) -> Piece:
    return from_pretty_midi(item) if isinstance(item, pretty_midi.PrettyMIDI) else item


def _at(roll: Array, steps: Array) -> Array:
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
