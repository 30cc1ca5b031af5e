"""What is planned for pictures: sizes, widths and batches, by what they are and by the minutes."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cyclekit_image.planner import propose
from PIL import Image
from support import draw

from cyclekit.contract.planning import Candidate, Survey
from cyclekit.errors import DataError
from cyclekit.plugins.host import load_plugin
from cyclekit.preparing.choosing import Amount, Choice, Length, Measured, choose, length
from cyclekit.recipe.layers import Layers
from cyclekit.recipe.resolve import resolve

SMALL = Path(__file__).parents[2] / "recipes/image/small.toml"
MEMORY = 2**31


def survey(files: Mapping[str, Sequence[Path]], minutes: float = 15, count: int = 600) -> Survey:
    return Survey(files, dict.fromkeys(files, count), 60 * minutes, "cpu")


def pictures(folder: Path, size: tuple[int, int] = (64, 64), modes: str = "RGB RGB") -> Survey:
    """Four pictures a side."""
    return survey(
        {
            side: [draw(folder / side / f"{n}.png", 10 * place + n, size, mode) for n in range(4)]
            for place, (side, mode) in enumerate(zip("ab", modes.split(), strict=True))
        }
    )


def planned(told: Survey, minutes: float, speed: float = 1.0) -> tuple[Choice, Length]:
    """What is chosen on a machine so many times as fast as that of the trials."""
    seconds = 60 * minutes

    def probe(candidate: Candidate) -> Measured:
        batch = candidate.settings["train"]["batch_size"]
        return Measured(candidate.step_seconds / speed, 1.0, batch=batch)

    choice = choose(propose(told), probe, seconds, 0.05 * seconds)
    assert choice is not None
    return choice, length(choice.measured, Amount(600, 2, 65, 0.001, MEMORY), seconds, 20)


def table_of(choice: Choice) -> dict[str, Any]:
    return dict(choice.candidate.settings)


def test_emoji_in_four_minutes_get_the_recipe_small(tmp_path: Path) -> None:
    """That was chosen by trials, for two cores with AVX2."""
    choice, lengths = planned(pictures(tmp_path), 4)
    modality = load_plugin("image").modality
    made, recipe = (
        resolve(layered({"plugin": "image"}, table), modality)
        for table in (choice.candidate.settings, tomllib.loads(SMALL.read_text()))
    )
    for table in ("codec", "generator", "discriminator", "objective"):
        assert getattr(made, table).model_dump() == getattr(recipe, table).model_dump()
    for key in ("batch_size", "learning_rate", "ema", "ema_share", "schedule"):
        assert getattr(made.train, key) == getattr(recipe.train, key)
    assert 0.85 * 850 <= lengths.table["train"]["steps"] <= 1.15 * 850


def layered(*tables: Mapping[str, Any]) -> Layers:
    layers = Layers()
    for table in tables:
        layers.merge(table, "a test")
    return layers


def test_more_minutes_never_make_for_less(tmp_path: Path) -> None:
    told = pictures(tmp_path, (128, 128))
    sizes = []
    for minutes in (1, 5, 15, 30, 60, 240, 960):
        choice, _ = planned(told, minutes)
        sizes.append(choice.candidate.least_steps * choice.candidate.step_seconds)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] < sizes[-1]


@pytest.mark.parametrize("speed", [0.1, 0.5, 2.0, 50.0])
@pytest.mark.parametrize("minutes", [5, 15])
def test_steps_and_all_else_take_the_minutes_at_any_speed(
    tmp_path: Path, minutes: float, speed: float
) -> None:
    choice, lengths = planned(pictures(tmp_path), minutes, speed)
    taken = lengths.table["train"]["steps"] * choice.measured.pace
    assert 0.8 * 60 * minutes <= taken <= 0.98 * 60 * minutes
    assert choice.candidate.least_steps * choice.measured.pace <= 60 * minutes


@pytest.mark.parametrize(
    ("size", "preprocess", "crop"),
    [((3, 5), "scale_shortside", 16), ((20, 20), "resize_and_crop", 20),
     ((20, 60), "scale_shortside", 20), ((4000, 3000), "crop", 128)],
)  # fmt: skip
def test_pictures_of_any_size_have_windows(
    tmp_path: Path, size: tuple[int, int], preprocess: str, crop: int
) -> None:
    told = pictures(tmp_path, size) if max(size) < 100 else large(tmp_path, size)
    codec = table_of(planned(told, 15)[0])["codec"]
    assert (codec["preprocess"], codec["crop"]) == (preprocess, crop)
    modality = load_plugin("image").modality
    for candidate in propose(told):
        resolve(layered({"plugin": "image"}, candidate.settings), modality)


def large(folder: Path, size: tuple[int, int]) -> Survey:
    """Drawn quickly."""
    files = {side: folder / f"{side}.png" for side in "ab"}
    for file in files.values():
        Image.new("RGB", size).save(file)
    return survey({side: [file] for side, file in files.items()})


def test_grey_beside_colours_is_seen_in_colours(tmp_path: Path) -> None:
    mixed, grey = pictures(tmp_path / "1", modes="L RGB"), pictures(tmp_path / "2", modes="L L")
    (first, *_), (other, *_) = propose(mixed), propose(grey)
    assert first.settings["codec"]["channels"] == 3
    assert "100% of A, 0% of B" in first.reasons["codec.channels"]
    assert other.settings["codec"]["channels"] == 1


def test_pictures_that_cannot_be_opened_are_one_sentence(tmp_path: Path) -> None:
    told = pictures(tmp_path)
    for file in told.files["b"]:
        file.write_bytes(b"no picture")
    with pytest.raises(DataError, match="None of the 4 pictures of domain B"):
        propose(told)


def test_every_rule_says_why(tmp_path: Path) -> None:
    for size in ((64, 64), (300, 300)):
        for candidate in propose(pictures(tmp_path / str(size), size)):
            keys = [k.strip() for named in candidate.reasons for k in named.split(",")]
            assert {"codec.crop", "generator.channels", "train.batch_size"} <= set(keys)
            assert all(candidate.reasons.values())
