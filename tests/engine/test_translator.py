"""What goes through a network together, and what comes back from it."""

from pathlib import Path
from typing import Any

import pytest
from support import draw
from torch import Tensor

from cyclekit.errors import BadSample
from cyclekit.objectives.cycle import CycleObjective
from cyclekit.runs.open_run import open_run


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Batch and height of everything that goes through a generator."""
    seen: list[tuple[int, int]] = []
    translate = CycleObjective.translate

    def spied(self: CycleObjective, networks: Any, x: Tensor, *more: Any) -> Tensor:
        seen.append((x.shape[0], x.shape[2]))
        return translate(self, networks, x, *more)

    monkeypatch.setattr(CycleObjective, "translate", spied)
    return seen


@pytest.mark.parametrize(
    ("batch_size", "batches"),
    [
        (None, [(3, 32), (2, 48)]),  # all that are small, size by size
        (2, [(2, 32), (1, 48), (1, 32), (1, 48)]),
        (1, [(1, 32), (1, 32), (1, 48), (1, 32), (1, 48)]),
    ],
)
def test_small_pictures_go_together(
    trained: Path,
    tmp_path: Path,
    seen: list[tuple[int, int]],
    batch_size: int | None,
    batches: list[tuple[int, int]],
) -> None:
    files = [
        draw(tmp_path / f"{number}.png", number, (size, size))
        for number, size in enumerate((32, 32, 48, 32, 48))
    ]
    translator = open_run(trained, batch_size=batch_size).translator
    direction = open_run(trained).model.direction("a2b")
    translated = list(translator.files(files, direction))
    assert seen == batches
    assert [file for file, _ in translated] == files
    assert [item.size[0] for _, item in translated] == [32, 32, 48, 32, 48]


def test_large_pictures_go_alone(trained: Path, tmp_path: Path, seen: list[Any]) -> None:
    files = [draw(tmp_path / f"{number}.png", number, (256, 256)) for number in range(2)]
    opened = open_run(trained)
    list(opened.translator.files(files, opened.model.direction("a2b")))
    assert seen == [(1, 256), (1, 256)]


def test_a_file_named_twice_comes_twice_and_bad_ones_in_their_places(
    trained: Path, tmp_path: Path
) -> None:
    good, bad = draw(tmp_path / "good.png", 0), tmp_path / "bad.png"
    bad.write_text("no picture")
    opened = open_run(trained)
    outcomes = list(opened.translator.files([good, bad, good], opened.model.direction("a2b")))
    assert [file for file, _ in outcomes] == [good, bad, good]
    assert [isinstance(item, BadSample) for _, item in outcomes] == [False, True, False]
