"""Whole pieces through the translator: windows are joined without doubled or cut notes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cyclekit_music.codec import MusicCodec, MusicOptions
from cyclekit_music.piece import Piece
from music_support import QUARTER, piece, rows, scale
from torch import Tensor, nn

from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.model import build_model
from cyclekit.engine.translator import Translator
from cyclekit.preparing.planning import plan_training


class Network(nn.Module):
    """Does what it is told to 64 steps at a time."""

    multiple_of = 4

    def __init__(self, work: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.work = work
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        assert x.shape[2:] == (64, 84)
        return self.work(x)


def translated(made: Piece, work: Callable[[Tensor], Tensor], batch_size: int = 1) -> Piece:
    plan = plan_training("music", "demo", [("data.root", "nowhere", "test")])
    model = build_model(plan.host.modality, plan.recipe)
    fabric = start_fabric(Hardware(accelerator="cpu"), "32-true")
    networks = {name: Network(work) for name in model.translators}
    translator = Translator(model, networks, fabric, batch_size)
    (item,) = translator.items([made], model.direction("a2b"), [Path("song.mid")])
    assert isinstance(item, Piece)
    return item


LONG = piece(
    *scale(17),  # four windows and a bar
    (14, 6, 90),  # across the first join
    (30, 2, 91), (32, 2, 91),  # ends and begins anew at the second
    (44, 12, 92),  # across the third
    signatures=[(0, 4, 4), (68, 3, 4), (74, 4, 4)],
    tempi=[(0, 500_000), (33.3, 430_000)],
)  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_network_that_changes_nothing_changes_nothing(batch_size: int) -> None:
    assert rows(translated(LONG, lambda x: x, batch_size)) == rows(LONG)


def test_each_window_lands_in_its_place() -> None:
    up = translated(LONG, lambda x: x.roll(3, dims=3))
    assert rows(up) == [(start, length, pitch + 3) for start, length, pitch in rows(LONG)]


def test_a_note_goes_on_as_long_as_no_window_begins_it_anew() -> None:
    def hold(x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        out[:, 1, :, 40] = 1
        return out

    assert rows(translated(piece(*scale(12)), hold)) == [(0, 48, 64)]


@pytest.mark.slow
def test_six_hours_are_translated_in_windows() -> None:
    beats = 6 * 3600 * 2
    made = piece((0, 1, 60), (beats - 4, 1, 62))
    assert rows(translated(made, lambda x: x, batch_size=64)) == rows(made)


def test_pieces_side_by_side_are_heard_one_after_the_other(tmp_path: Path) -> None:
    first = piece((0, 1, 60), (5, 2, 64), tempi=((0, 600_000),))
    second = piece((1, 1, 72), tempi=((0, 400_000),))
    codec = MusicCodec(MusicOptions())
    together = codec.load(codec.save(codec.side_by_side([first, second]), tmp_path / "x"))
    # Two bars, a bar's rest, and then the other one.
    assert rows(together) == [(0, 1, 60), (5, 2, 64), (13, 1, 72)]
    assert together.tempi.tolist() == [[0, 600_000], [12 * QUARTER, 400_000]]
