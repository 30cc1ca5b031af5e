"""What the built-in plugins' catalogues say, and how their own functions lay sets out."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets_support import tarred, zipped
from music_support import write_scales
from PIL import Image, ImageFilter
from support import Cli

from cyclekit.datasets import catalogue
from cyclekit.datasets.catalogue import Offer, offers
from cyclekit.datasets.getting import command
from cyclekit.plugins.discovery import find_plugin
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import read_layers

OFFERS = [offer for offer in offers() if isinstance(offer, Offer)]


def test_every_catalogue_can_be_read() -> None:
    assert all(isinstance(offer, Offer) for offer in offers())
    assert {"horse2zebra", "edges2shoes", "arctic", "vcc2018", "classical2jazz"} <= {
        offer.name for offer in OFFERS
    }


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.name)
def test_sets_and_recipes_go_together(offer: Offer) -> None:
    for archive in offer.set.archives:
        assert archive.addresses
        assert archive.sha256 or not archive.bytes
    if not offer.set.recipe:
        return
    data = read_layers(find_recipes(offer.plugin)[offer.set.recipe]).table["data"]
    for place in data.get("domains", {"root": data["root"]}).values():
        assert Path(place).is_relative_to(f"datasets/{offer.name}")
    if offer.set.withheld:
        assert "fetch" not in data
    else:
        assert command(offer) == f"cyclekit data get {data['fetch']}"


def test_every_recipe_whose_data_is_published_says_how_to_get_it() -> None:
    names = {offer.name for offer in OFFERS}
    for plugin in ("image", "audio", "music"):
        for file in find_recipes(find_plugin(plugin)).values():
            fetched = read_layers(file, find_plugin(plugin)).table.get("data", {}).get("fetch")
            assert fetched is None or fetched.split()[0] in names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "recipe", "said"),
    [
        ("audio", "arctic", "cyclekit data get arctic"),
        ("audio", "vcc2018", "cyclekit data get vcc2018"),
        ("music", "classical2jazz", "cyclekit data get classical2jazz --set genres=TABLE.csv"),
    ],
)
def test_a_recipe_without_its_data_says_the_command_that_gets_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, recipe: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("train", "--plugin", plugin, "--recipe", recipe, "--accelerator", "cpu",
               "--precision", "32-true", "--dry-run")  # fmt: skip
    assert done.code == 1
    assert said in done.err


@pytest.fixture
def unpublished(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Archives made here stand for the published ones."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    find = catalogue.find_offer

    def found(name: str, plugin: str | None) -> Offer:
        offer = find(name, plugin)
        forget = {"sha256": None, "bytes": None}
        archives = tuple(archive.model_copy(update=forget) for archive in offer.set.archives)
        return replace(offer, set=offer.set.model_copy(update={"archives": archives}))

    monkeypatch.setattr(catalogue, "find_offer", found)
    monkeypatch.chdir(tmp_path)


def test_voices_lie_where_their_recipes_look(cli: Cli, unpublished: None, tmp_path: Path) -> None:
    options = []
    for voice in ("slt", "rms"):
        name = f"cmu_us_{voice}_arctic"
        content = tarred(
            {f"{name}/wav/arctic_a0001.wav": b"RIFF", f"{name}/lab/x.lab": b"x"}, "w:bz2"
        )
        file = tmp_path / f"{name}.tar.bz2"
        file.write_bytes(content)
        options += ["--archive", file]
    done = cli("data", "get", "arctic", *options)
    assert done.code == 0, done.err
    assert "cyclekit train --plugin audio --recipe arctic\n" in done.err
    data = read_layers(find_recipes(find_plugin("audio"))["arctic"]).table["data"]
    for folder in data["domains"].values():
        assert [path.name for path in Path(folder).iterdir()] == ["arctic_a0001.wav"]
    assert not list(Path("datasets/arctic").rglob("*.lab"))
    elsewhere = cli("data", "get", "arctic", "-o", "other", *options)
    assert "--set data.domains.a=other/arctic/cmu_us_slt_arctic/wav" in elsewhere.err


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(seed)
    made = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    return made.filter(ImageFilter.GaussianBlur(3))


def test_halves_of_pictures_become_pairs(cli: Cli, unpublished: None, tmp_path: Path) -> None:
    sources = {"train/1.jpg": (512, 256), "val/2.jpg": (512, 256), "train/3.png": (40, 30),
               "train/4.jpg": (40, 30), "train/odd.jpg": (41, 30)}  # fmt: skip
    content = {}
    for number, (name, size) in enumerate(sources.items()):
        file = tmp_path / "drawn" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(number, size).save(file, quality=85)
        content[f"facades/{name}"] = file.read_bytes()
    archive = tmp_path / "facades.tar.gz"
    archive.write_bytes(tarred(content | {"facades/train/bad.jpg": b"no picture"}))
    done = cli("data", "get", "pix2pix_facades", "--archive", archive)
    assert done.code == 0, done.err
    assert re.search(r"left out.*bad\.jpg.*odd\.jpg: it is 41 px wide", done.err)
    made = Path("datasets/pix2pix_facades")
    names = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert names == {"source.json", "trainA/1.jpg", "trainB/1.jpg", "testA/2.jpg", "testB/2.jpg",
                     "trainA/3.png", "trainB/3.png", "trainA/4.png", "trainB/4.png"}  # fmt: skip
    for name, exact in (("train/1.jpg", False), ("train/3.png", True), ("train/4.jpg", True)):
        whole = np.asarray(Image.open(tmp_path / "drawn" / name).convert("RGB")).astype(int)
        stem = name.partition("/")[2].partition(".")[0]
        halves = [np.asarray(Image.open(next(made.glob(f"train{x}/{stem}.*")))) for x in "AB"]
        difference = np.abs(np.concatenate(halves, 1) - whole)
        assert difference.max() <= (0 if exact else 8), name
        assert difference.mean() <= (0 if exact else 0.4), name
    assert (made / "trainA/1.jpg").stat().st_size < 40_000  # as small as it was


TABLE = """artist,genre
Dave Brubeck,Jazz
Bill Evans/Waltz,jazz
Abba,pop
Nobody,jazz
"""


def test_music_is_laid_out_by_the_table(cli: Cli, unpublished: None, tmp_path: Path) -> None:
    midi = next(write_scales(tmp_path / "scales").rglob("*.mid")).read_bytes()
    (tmp_path / "table.csv").write_text(TABLE)
    about = "canonical_title,split,midi_filename\nx,train,2004/x.midi\ny,test,2004/y.midi\n"
    (tmp_path / "maestro-v3.0.0-midi.zip").write_bytes(
        zipped({"maestro-v3.0.0/maestro-v3.0.0.csv": about.encode(),
                "maestro-v3.0.0/2004/x.midi": midi, "maestro-v3.0.0/2004/y.midi": midi})
    )  # fmt: skip
    songs = ["Dave Brubeck/Take Five.mid", "Dave Brubeck/Take Five.1.mid", "Bill Evans/Waltz.2.mid",
             "Bill Evans/Other.mid", "Abba/Waterloo.mid"]  # fmt: skip
    (tmp_path / "clean_midi.tar.gz").write_bytes(
        tarred({f"clean_midi/{song}": midi for song in songs})
    )
    options = [f"--archive={tmp_path / name}" for name in
               ("maestro-v3.0.0-midi.zip", "clean_midi.tar.gz")]  # fmt: skip
    done = cli("data", "get", "classical2jazz", "--set=genres=table.csv", *options)
    assert done.code == 0, done.err
    made = Path("datasets/classical2jazz")
    assert (made / "trainA/2004/x.midi").exists()
    assert (made / "testA/2004/y.midi").exists()
    jazz = {path.name for path in made.glob("t*B/*/*")}
    assert jazz == {"Take Five.mid", "Take Five.1.mid", "Waltz.2.mid"}
    assert json.loads((made / "source.json").read_text())["settings"]["b"] == "jazz"
    changed = cli("data", "get", "classical2jazz", "--set=genres=table.csv", "--set=b=pop")
    assert "with other settings" in changed.err
    none = cli("data", "get", "jazz2pop", "--set=genres=table.csv", "--set=b=polka", options[1])
    assert none.code == 1
    assert "no piece of the genre 'polka'" in none.err
    assert "jazz, " in none.err
    assert not Path("datasets/jazz2pop").exists()
