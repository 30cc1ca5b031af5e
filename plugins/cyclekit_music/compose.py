"""Built-in data: one chart of chords and melody, set as a chorale and as swung jazz.

Both settings come from the same chart, so that every test piece has a true counterpart. Training
pieces are set from charts of their own, no two of them alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cyclekit_music.piece import Part, Piece, make_notes
from cyclekit_music.writing import write_piece

BEAT = 480  # ticks
BARS = 8
SWING = 320  # where the second eighth of a swung beat falls
TRAIN, TEST = 160, 24

SCALE = (0, 2, 4, 5, 7, 9, 11)  # major
FOLLOWS = {  # functional harmony, by degree of the scale: what may come next
    0: (3, 4, 5, 1, 2),
    1: (4, 4, 6),
    2: (5, 3),
    3: (4, 1, 0, 4),
    4: (0, 0, 5),
    5: (1, 3, 4),
    6: (0, 2),
}
ORGAN, PIANO, BASS, SAXOPHONE = 19, 0, 32, 66

Row = tuple[float, float, int, int, int]  # start and length in beats, pitch, velocity, part


@dataclass(frozen=True)
class Chart:
    """What both settings share.

    Attributes:
        key: Semitones above C.
        degrees: Degree of the chord of each half bar.
        melody: A MIDI pitch for each quarter.
        seed: Of the choices that a setting makes by itself.
    """

    key: int
    degrees: tuple[int, ...]
    melody: tuple[int, ...]
    seed: int

    def tone(self, degree: int, third: int) -> int:
        """Pitch class of a chord's tone: root, third, fifth, seventh are 0, 1, 2, 3."""
        return (self.key + SCALE[(degree + 2 * third) % 7]) % 12


def make_charts(folder: Path, seed: int, paired: bool = False) -> None:
    """Write ``trainA`` (chorales), ``trainB`` (jazz), and true pairs in ``testA``, ``testB``.

    Args:
        folder: Where.
        seed: Decides on the charts.
        paired: Set the same charts both ways for training, too.
    """
    settings: dict[str, Callable[[Chart], Piece]] = {"A": set_chorale, "B": set_jazz}
    other = 0 if paired else 1
    splits = (
        ("trainA", TRAIN, 0), ("trainB", TRAIN, other), ("testA", TEST, 2), ("testB", TEST, 2)
    )  # fmt: skip
    for name, count, stream in splits:
        rng = np.random.default_rng([seed, stream])
        (folder / name).mkdir(parents=True)
        for index in range(count):
            piece = settings[name[-1]](draw_chart(rng))
            write_piece(piece, folder / name / f"{index:04d}.mid")


def draw_chart(rng: np.random.Generator) -> Chart:
    """A chart of ``BARS`` bars that begins and ends on its first degree."""
    key, degrees = int(rng.integers(12)), [0]
    while len(degrees) < 2 * BARS - 2:
        degrees.append(int(rng.choice(FOLLOWS[degrees[-1]])))
    degrees += [4, 0]
    chart = Chart(key, tuple(degrees), (), int(rng.integers(2**31)))
    melody, pitch = [], int(rng.integers(67, 75))
    for quarter in range(4 * BARS):
        tones = [chart.tone(degrees[quarter // 2], third) for third in range(3)]
        near = [p for p in range(pitch - 7, pitch + 8) if p % 12 in tones and 62 <= p <= 81]
        if quarter % 2 and rng.random() < 0.4:  # a passing note between two chord tones
            steps = (pitch - 2, pitch - 1, pitch + 1, pitch + 2)
            near = [p for p in steps if (p - key) % 12 in SCALE]
        pitch = int(rng.choice(near))
        melody.append(pitch)
    return Chart(key, chart.degrees, tuple(melody), chart.seed)


def set_chorale(chart: Chart) -> Piece:
    """Four parts in block chords: the melody above, the root below, the rest in between."""
    rows: list[Row] = [(quarter, 1, pitch, 80, 0) for quarter, pitch in enumerate(chart.melody)]
    for half, degree in enumerate(chart.degrees):
        bass = _nearest(chart.tone(degree, 0), 45)
        tenor = _nearest(chart.tone(degree, 2), 54)
        alto = _nearest(chart.tone(degree, 1), 61)
        rows += [(2 * half, 2, pitch, 75, 0) for pitch in (bass, tenor, alto)]
    return _piece(rows, (Part(ORGAN, name="chorale"),), beats_a_minute=84)


def set_jazz(chart: Chart) -> Piece:
    """A walking bass, chords without their root on swung off-beats, the melody syncopated."""
    rng = np.random.default_rng(chart.seed)
    off = SWING / BEAT
    rows: list[Row] = []
    for half, degree in enumerate(chart.degrees):
        start = 2 * half
        following = chart.degrees[(half + 1) % len(chart.degrees)]
        root = _nearest(chart.tone(degree, 0), 38)
        goal = _nearest(chart.tone(following, 0), 38)
        step = chart.tone(degree, int(rng.integers(1, 3)))
        walk = goal + int(rng.choice((-1, 1))) if rng.random() < 0.4 else _nearest(step, root + 5)
        rows += [(start, 0.9, root, 90, 0), (start + 1, 0.9, walk, 85, 0)]
        chord = [_nearest(chart.tone(degree, third), 56) for third in (1, 2, 3)]
        for beat in (0, 1):
            if rng.random() < 0.75:
                rows += [(start + beat + off, 1 - off, pitch, 64, 1) for pitch in chord]
    for quarter, pitch in enumerate(chart.melody):
        late = quarter % 2 == 0 and rng.random() < 0.5
        begin, length = (quarter + off, 1 - off) if late else (quarter, off)
        rows.append((begin, length, pitch, 96, 2))
        if not late and rng.random() < 0.35:  # an ornament before the next note
            rows.append((quarter + off, 1 - off, _neighbour(chart, pitch, rng), 80, 2))
    parts = (Part(BASS, name="bass"), Part(PIANO, name="piano"), Part(SAXOPHONE, name="melody"))
    return _piece(rows, parts, beats_a_minute=132)


def _nearest(pitch_class: int, centre: int) -> int:
    """The pitch of a class that is nearest to ``centre``."""
    return centre + (pitch_class - centre + 6) % 12 - 6


def _neighbour(chart: Chart, pitch: int, rng: np.random.Generator) -> int:
    """The next note of the scale, up or down."""
    way = int(rng.choice((-1, 1)))
    return next(
        p for p in range(pitch + way, pitch + 4 * way, way) if (p - chart.key) % 12 in SCALE
    )


def _piece(rows: list[Row], parts: tuple[Part, ...], beats_a_minute: int) -> Piece:
    notes = make_notes(
        (round(start * BEAT), round((start + length) * BEAT), pitch, velocity, part)
        for start, length, pitch, velocity, part in rows
    )
    tempi = np.array([[0, 60_000_000 // beats_a_minute]], dtype=np.int64)
    signatures = np.array([[0, 4, 4]], dtype=np.int64)
    return Piece(BEAT, notes, parts, tempi, signatures)
