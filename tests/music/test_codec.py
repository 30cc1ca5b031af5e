"""Pieces become rolls on the beat grid and come back; what a roll cannot show is given back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cyclekit_music.codec import MusicCodec, MusicOptions
from cyclekit_music.conversion import to_pretty_midi
from cyclekit_music.piece import Part, Piece, make_notes
from cyclekit_music.writing import write_piece
from music_support import piece, rows, scale
from pydantic import ValidationError

from cyclekit.api import BadSample, PreviewRow


def codec(**options: Any) -> MusicCodec:
    return MusicCodec(MusicOptions(**options))


def there_and_back(made: Piece, **options: Any) -> Piece:
    plugin = codec(**options)
    sample = plugin.encode(made, "a")
    return plugin.decode(sample.tensor.float(), "b", sample.meta)


def with_part(made: Piece, part: Part, *notes: tuple[float, float, int]) -> Piece:
    """The piece with notes of a second part."""
    more = make_notes((int(s * 480), int((s + n) * 480), p, 70, 1) for s, n, p in notes)
    together = np.concatenate([made.notes, more])
    together.sort(order=("start", "pitch"))
    return Piece(480, together, (*made.parts, part), made.tempi, made.signatures)


@pytest.mark.parametrize("steps_per_beat", [4, 6, 12, 24])
def test_notes_on_the_grid_come_back_exactly(steps_per_beat: int) -> None:
    made = piece(*scale(7), (0.5, 0.5, 90), (1.0, 0.5, 90), (1.5, 2.5, 90))
    assert rows(there_and_back(made, steps_per_beat=steps_per_beat)) == rows(made)


def test_triplets_need_a_grid_that_holds_them() -> None:
    made = piece(*[(n / 3, 1 / 3, 60 + n) for n in range(48)])
    back = there_and_back(made, steps_per_beat=6)
    assert [round(start * 3) for start, _, _ in rows(back)] == list(range(48))
    assert codec(steps_per_beat=6).encode(made, "a").facts["off_grid"] == 0
    assert codec(steps_per_beat=4).encode(made, "a").facts["off_grid"] == pytest.approx(2 / 3)


def test_notes_move_to_the_nearest_step_and_keep_a_step_at_least() -> None:
    back = there_and_back(piece((0.1, 0.03, 60), (1.15, 0.9, 62)))
    assert (0, 0.25, 60) in rows(back)
    assert (1.25, 0.75, 62) in rows(back)


def test_repeated_notes_stay_apart_only_with_onsets() -> None:
    made = piece((0, 1, 60), (1, 1, 60), (2, 1, 60))
    assert rows(there_and_back(made)) == rows(made)
    assert rows(there_and_back(made, representation="binary")) == [(0, 3, 60)]
    assert codec().encode(made, "a").facts["lost_onsets"] == 0
    lost = codec(representation="binary").encode(made, "a").facts["lost_onsets"]
    assert lost == pytest.approx(2 / 3)


def test_a_roll_is_what_the_paper_says() -> None:
    sample = codec(representation="binary").encode(piece(*scale(4)), "a")
    assert sample.tensor.shape == (1, 64, 84)
    assert sample.tensor.dtype == torch.uint8
    assert sample.tensor[0, 0].nonzero().flatten().tolist() == [48 - 24, 60 - 24]
    assert codec(steps_per_beat=12).spec("a").sizes == (192, 84)


def test_drums_and_notes_out_of_range_are_given_back() -> None:
    made = with_part(piece(*scale(4), (0, 1, 12), (3, 1, 120)), Part(drums=True), (0.13, 0.1, 36))
    sample = codec().encode(made, "a")
    assert sample.facts["set_aside"] == pytest.approx(3 / len(made.notes))
    back = codec().decode(torch.zeros(sample.tensor.shape), "b", sample.meta)
    given_back = {(n["start"], int(n["pitch"]), back.parts[n["part"]].drums) for n in back.notes}
    assert given_back == {(0, 12, False), (3 * 480, 120, False), (62, 36, True)}


def test_other_meters_are_copied_through() -> None:
    signatures = [(0, 4, 4), (16, 3, 4), (22, 4, 4)]
    in_three = [(16.1, 0.7, 60), (19.33, 1.2, 61)]
    made = piece(*scale(4), *in_three, (22, 1, 72), (37, 1, 74), signatures=signatures)
    sample = codec().encode(made, "a")
    assert sample.tensor.shape[1] == 2 * 64  # each region from its own barline
    assert sample.tensor[0, 64, 72 - 24] == 1
    back = codec().decode(torch.zeros(sample.tensor.shape), "b", sample.meta)
    assert rows(back) == [
        ((note["start"]) / 480, (note["end"] - note["start"]) / 480, int(note["pitch"]))
        for note in made.notes
        if note["pitch"] in (60, 61) and 16 * 480 <= note["start"] < 22 * 480
    ]
    assert rows(there_and_back(made)) == rows(made)


def test_a_note_held_over_a_change_of_signature_is_one_note() -> None:
    made = piece(*scale(4), (15, 3, 100), signatures=[(0, 4, 4), (16, 2, 2)])
    assert (15, 3, 100) in rows(there_and_back(made))
    odd = piece(*scale(4), (9, 4, 100), signatures=[(0, 4, 4), (10.5, 4, 4)])
    assert (9, 4, 100) in rows(there_and_back(odd))
    assert codec().encode(odd, "a").tensor.shape[1] == 2 * 64


def test_a_note_held_into_another_meter_keeps_its_length() -> None:
    made = piece(*scale(4), (15, 4, 100), signatures=[(0, 4, 4), (16, 3, 4)])
    assert (15, 4, 100) in rows(there_and_back(made))
    odd = piece(*scale(4), (16.02, 1, 70), signatures=[(0, 4, 4), (16.02, 3, 4)])
    assert (16.02, 1, 70) in [
        (round(start, 2), length, pitch) for start, length, pitch in rows(there_and_back(odd))
    ]


def test_a_piece_of_three_bars_is_repeated_in_training_and_translation() -> None:
    plugin = codec()
    sample = plugin.encode(piece(*scale(3)), "a")
    assert torch.equal(sample.tensor[:, 48:], sample.tensor[:, :16])
    (window,) = plugin.windows(sample)
    assert torch.equal(window.tensor, sample.tensor)
    assert rows(plugin.decode(sample.tensor.float(), "b", sample.meta)) == rows(piece(*scale(3)))


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("bars", range(1, 14))
def test_translation_shows_networks_nothing_but_training_windows(bars: int, stride: int) -> None:
    plugin = codec(stride=stride)
    sample = plugin.encode(piece(*scale(bars)), "a")
    seen = {window.tensor.numpy().tobytes() for window in plugin.windows(sample)}
    phrases = sample.tensor.split(64, dim=1)
    assert len(phrases) == max(-(-bars // 4), 1)
    assert all(phrase.numpy().tobytes() in seen for phrase in phrases)
    last = sample.tensor[:, -16:] if bars >= 4 else sample.tensor[:, 16 * (bars - 1) : 16 * bars]
    assert last[0].any(), "the end of the piece is the end of a phrase"


def test_the_last_bars_are_the_last_phrases_and_those_before_their_predecessors() -> None:
    made = piece(*scale(6))
    plugin = codec()
    sample = plugin.encode(made, "a")
    first, last = (sample.tensor[:, part].float() for part in (slice(0, 64), slice(64, None)))
    one = plugin.decode(torch.cat([first, 0 * last], dim=1), "b", sample.meta)
    other = plugin.decode(torch.cat([0 * first, last], dim=1), "b", sample.meta)
    assert rows(one) == [row for row in rows(made) if row[0] < 16]
    assert rows(other) == [row for row in rows(made) if row[0] >= 16]


def test_bars_of_two_quarters_are_joined_in_twos() -> None:
    march = piece(*scale(6), signatures=[(0, 2, 4)])
    assert torch.equal(
        codec().encode(march, "a").tensor, codec().encode(piece(*scale(6)), "a").tensor
    )
    mixed = piece(*scale(4), (16, 1, 60), (17, 1, 64), (18, 4, 67), (34, 1, 62),
                  signatures=[(0, 4, 4), (16, 2, 4), (18, 4, 4)])  # fmt: skip
    sample = codec().encode(mixed, "a")
    assert sample.facts["other_meters"] == 0
    assert sample.tensor.shape[1] == (1 + 1 + 2) * 64  # each from its own barline
    assert rows(codec().decode(sample.tensor.float(), "b", sample.meta)) == rows(mixed)


def test_what_is_copied_through_is_said() -> None:
    plugin = codec()
    made = piece(*scale(4), (16, 1, 60), signatures=[(0, 4, 4), (16, 3, 4)])
    facts = [plugin.encode(one, "a").facts for one in (made, piece(*scale(4)))]
    (said,) = plugin.remarks({"a": facts})
    assert said.startswith("1 of 2 files of domain A have bars that are not of four or two")
    assert "--set codec.meters=any" in said


def sure(notes: dict[tuple[int, int, int], float]) -> torch.Tensor:
    """What a network says: how sure it is of notes from step to step at a pitch."""
    values = torch.zeros(2, 64, 84)
    for (start, stop, pitch), value in notes.items():
        values[1, start:stop, pitch - 24] = value
        values[0, start, pitch - 24] = value
    return values


TUNE = piece(*[(quarter, 1, 60 + quarter % 5) for quarter in range(16)])


@pytest.mark.parametrize("voices", [1, "source"])
def test_a_tune_stays_one_voice(voices: Any) -> None:
    plugin = codec(voices=voices)
    sample = plugin.encode(TUNE, "a")
    assert sample.facts["voices"] == 1
    said = sure({(0, 8, 60): 0.9, (0, 8, 61): 0.8, (6, 12, 62): 0.95, (7, 16, 64): 0.7})
    assert rows(plugin.decode(said, "b", sample.meta)) == [(0, 1.5, 60), (1.5, 1.5, 62), (3, 1, 64)]
    assert len(rows(codec().decode(said, "b", sample.meta))) == 4


def test_a_translation_has_as_many_voices_as_its_source_mostly_has() -> None:
    two = piece(*rows(TUNE), *[(start, length, pitch - 12) for start, length, pitch in rows(TUNE)],
                (0, 0.25, 90))  # fmt: skip
    plugin = codec(voices="source")
    sample = plugin.encode(two, "a")
    said = sure({(0, 8, pitch): value for pitch, value in ((60, 0.9), (65, 0.6), (70, 0.8))})
    assert [row[2] for row in rows(plugin.decode(said, "b", sample.meta))] == [60, 70]


def test_tunes_hear_of_the_option() -> None:
    facts = {domain: [codec().encode(TUNE, domain).facts] for domain in "ab"}
    (said,) = codec().remarks(facts)
    assert "--set codec.voices=source" in said
    assert not codec(voices="source").remarks(facts)
    chords = codec().encode(piece(*scale(4)), "b").facts
    assert not codec().remarks(facts | {"b": [chords]})


@pytest.mark.parametrize("by_itself", [False, True])
def test_a_pickup_comes_before_the_first_barline(by_itself: bool) -> None:
    notes = [(0, 1, 60), *[(1 + n, 1, 62 + n % 5) for n in range(16)]]
    made = piece(*notes, signatures=[(0, 1, 4), (1, 4, 4)] if by_itself else [(0, 4, 4)])
    plugin = codec() if by_itself else codec(pickup=1)
    sample = plugin.encode(made, "a")
    onsets = sample.tensor[0].nonzero()[:2].tolist()
    assert onsets == [[12, 60 - 24], [16, 62 - 24]]
    assert rows(plugin.decode(sample.tensor.float(), "b", sample.meta)) == rows(made)


def test_tempo_signatures_program_and_loudness_are_the_sources() -> None:
    made = piece(*scale(5), tempi=[(0, 400_000), (3.3, 700_000)], parts=(Part(52),))
    made.notes["velocity"] = np.where(made.notes["start"] < 8 * 480, 30, 110)
    back = there_and_back(made)
    assert np.array_equal(back.tempi, made.tempi)
    assert np.array_equal(back.signatures, made.signatures)
    assert back.parts[back.notes["part"][0]].program == 52
    assert np.array_equal(back.notes["velocity"], made.notes["velocity"])
    assert there_and_back(made, program_b=11).parts[0].program == 11
    assert there_and_back(made, program_a=11).parts[0].program == 52


def test_density_turns_on_as_many_cells_as_the_source_has() -> None:
    made = piece(*scale(4))
    plugin = codec(binarize="density")
    sample = plugin.encode(made, "a")
    faint = plugin.decode(sample.tensor * 0.2 + 0.1, "b", sample.meta)
    assert rows(faint) == rows(made)
    assert not rows(codec().decode(sample.tensor * 0.2 + 0.1, "b", sample.meta))


def test_a_rest_of_a_whole_window_stays_one() -> None:
    made = piece(*scale(4), (40, 1, 72))  # bars 5 to 8 and 11 to 12 are silent
    plugin = codec()
    sample = plugin.encode(made, "a")
    noise = torch.ones(sample.tensor.shape)
    starts = plugin.decode(noise, "b", sample.meta).notes["start"]
    bars = set((starts // (4 * 480)).tolist())
    assert bars == {0, 1, 2, 3, 8, 9, 10}


def test_windows_are_whole_bars_and_none_is_silent() -> None:
    made = piece(*scale(4), (10 * 4, 1, 60), *[(start + 48, n, p) for start, n, p in scale(4)])
    plugin = codec(stride=2)
    windows = plugin.windows(plugin.encode(made, "a"))
    assert all(window.tensor.shape == (2, 64, 84) for window in windows)
    assert all(window.tensor.any() for window in windows)
    assert len(windows) == 7 - 2  # from bars 0, 2, .. 12, but not from 4 and 6
    assert len(codec(stride=4).windows(plugin.encode(made, "a"))) == 3


def test_transposing_moves_all_windows_by_what_is_allowed() -> None:
    plugin = codec(transpose=(-2, 1))
    window = plugin.encode(piece(*scale(4)), "a").tensor
    seen = set()
    for seed in range(40):
        moved = plugin.augment(window, "a", torch.Generator().manual_seed(seed))
        (shift,) = {
            int(a - b) for a, b in zip(moved.nonzero()[:, 2], window.nonzero()[:, 2], strict=True)
        }
        seen.add(shift)
    assert seen == {-2, -1, 0, 1}


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        (piece(*scale(4), signatures=[(0, 3, 4)]), {}, r"its meter is 3/4.*codec\.meters"),
        (piece(*scale(4), signatures=[]), {"strict_meter": True}, "names no time signature"),
        (piece(*scale(4), parts=(Part(drums=True),)), {}, "holds drums alone"),
        (piece((0, 1, 120)), {}, "no notes between C1 and B7"),
        (piece(*scale(4), signatures=[(0, 3, 4), (99, 4, 4)]), {}, "no notes .* on its beats"),
        (piece(), {}, "holds no notes"),
        (piece((0.1, 1, 60), (1, 1, 60)), {"most_off_grid": 0.4}, "50% of its notes off the grid"),
    ],
)
def test_what_cannot_be_used_is_named(
    made: Piece, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = write_piece(made, tmp_path / "made.mid")
    with pytest.raises(BadSample, match=said):
        codec(**options).load(file)


def test_other_meters_can_be_accepted(tmp_path: Path) -> None:
    file = write_piece(piece(*scale(6), signatures=[(0, 3, 4)]), tmp_path / "waltz.mid")
    plugin = codec(meters="any")
    assert plugin.windows(plugin.encode(plugin.load(file), "a"))


@pytest.mark.parametrize(
    "signatures", [[(0, 4, 4)], [(0, 1, 4), (1, 4, 4)], [(0, 3, 4), (3, 4, 4)]]
)
def test_a_translation_without_notes_is_read_back_and_translated(
    tmp_path: Path, signatures: list[tuple[float, int, int]]
) -> None:
    file = write_piece(piece(signatures=signatures), tmp_path / "silent.mid")
    plugin = codec()
    sample = plugin.encode(plugin.read_back(file), "a")
    assert not sample.tensor.any()
    assert not len(plugin.decode(sample.tensor.float(), "b", sample.meta).notes)


def test_pretty_midi_objects_can_be_encoded() -> None:
    made = piece(*scale(4))
    sample = codec().encode(to_pretty_midi(made), "a")
    assert torch.equal(sample.tensor, codec().encode(made, "a").tensor)


def test_transposition_has_an_order() -> None:
    with pytest.raises(ValidationError, match="give the lower first"):
        MusicOptions(transpose=(3, -3))


def test_previews_can_be_seen_and_heard(tmp_path: Path) -> None:
    row = PreviewRow("x.y.mid", "a", "b", piece(*scale(4)), piece(*scale(2)), piece())
    media = codec().render([row], tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"sheet.png", "00-x_y-real-A.mid", "00-x_y-A-to-B.wav"} <= names
    assert all(item.path.is_file() for item in media)
    sheet, real, _, silent = media
    assert sheet.image is not None
    assert sheet.image.shape[0] == 3
    assert real.audio is not None
    assert silent.audio is not None
    assert 0.7 < real.audio.abs().max() <= 1
    assert len(real.audio) == pytest.approx(16 * 0.5 * 22_050, rel=0.2)
    assert not silent.audio.any()
