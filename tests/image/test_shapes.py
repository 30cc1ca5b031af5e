"""The built-in shapes: disjoint training sets, exact test pairs, the same from the same seed."""

from pathlib import Path

import numpy as np
import pytest
from cyclekit_image import shapes
from PIL import Image

from cyclekit.data.listing import list_samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shapes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "TRAIN", 40)
        patch.setattr(shapes, "TEST", 10)
        shapes.make_shapes(made, 0)
    return made


def read(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(file)).astype(float) for file in list_samples(folder).samples]


def test_layout(folder: Path) -> None:
    counts = {path.name: len(list_samples(path).samples) for path in folder.iterdir()}
    assert counts == {"trainA": 40, "trainB": 40, "testA": 10, "testB": 10}
    assert all(picture.shape == (64, 64, 3) for picture in read(folder / "trainB"))


def test_test_pairs_differ_in_the_stripes_alone(folder: Path) -> None:
    for plain, striped in zip(read(folder / "testA"), read(folder / "testB"), strict=True):
        changed = np.abs(plain - striped).max(axis=2) > 0
        assert 0.02 < changed.mean() < 0.5
        assert (striped <= plain).all(), "stripes only darken"
        assert not changed[0].any(), "the ground is left alone"


def test_paired_shapes_are_pairs_in_training_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "TRAIN", 5)
    monkeypatch.setattr(shapes, "TEST", 2)
    shapes.make_paired_shapes(tmp_path, 0)
    for plain, striped in zip(read(tmp_path / "trainA"), read(tmp_path / "trainB"), strict=True):
        assert (striped <= plain).all()
        assert (plain - striped).max() > 100
    for split in ("trainA", "testA", "testB"):
        for mine, other in zip(read(tmp_path / split), read(folder / split), strict=False):
            np.testing.assert_array_equal(mine, other)


def test_training_sets_have_no_shape_in_common(folder: Path) -> None:
    # Corners show the ground, whose colour is drawn at random for every picture.
    grounds = [
        {tuple(picture[0, 0]) + tuple(picture[-1, -1]) for picture in read(folder / split)}
        for split in ("trainA", "trainB", "testA")
    ]
    plain, striped, test = grounds
    assert not (plain & striped) - {(255.0,) * 6}
    assert not (plain & test) - {(255.0,) * 6}


def test_the_same_seed_draws_the_same(folder: Path) -> None:
    plain, striped = shapes.PLAIN, shapes.STRIPED
    for split, bands, stream in (("testA", plain, 2), ("testB", striped, 2), ("trainA", plain, 0)):
        first = shapes.draw_shape(np.random.default_rng([0, stream]), bands)
        np.testing.assert_array_equal(np.asarray(first), read(folder / split)[0])


def test_kinds_are_counterparts_in_testing_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "TRAIN", 5)
    monkeypatch.setattr(shapes, "TEST", 3)
    shapes.make_kinds_of_shapes(tmp_path, 0)
    kinds = ("Plain", "Striped", "Filled")
    for plain, *others in zip(*(read(tmp_path / f"test{kind}") for kind in kinds), strict=True):
        for other in others:
            assert (other <= plain).all()
            assert (plain - other).max() > 100
        assert (others[0] != others[1]).any()
    grounds = [{tuple(p[0, 0]) for p in read(tmp_path / f"train{kind}")} for kind in kinds]
    assert not set.intersection(*grounds) - {(255.0,) * 3}
