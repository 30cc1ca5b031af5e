"""Thirty mistakes that people make: each gets one message that says what to do next."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import SMALL, Cli, as_options, copied, draw

TRAIN = ("train", "--plugin=image", "--recipe=horse2zebra", "--accelerator=cpu", *as_options(SMALL))


@dataclass(frozen=True)
class Mistake:
    """Something that goes wrong.

    Attributes:
        what: A person did.
        command: That was typed; ``RUN`` stands for a run, ``DATA`` for good data.
        code: The exit code.
        said: What the message must name.
        advice: What it must tell to do.
    """

    what: str
    command: tuple[str, ...]
    code: int
    said: str
    advice: str


MISTAKES = (
    Mistake("misspelt a verb", ("trian",), 2, "trian", "Did you mean 'train'"),
    Mistake("misspelt an option", ("train", "--plugn=image"), 2, "--plugn", "--plugin"),
    Mistake("forgot the recipe", ("train", "--plugin=image"), 2, "--recipe", "recipes list image"),
    Mistake("forgot the plugin", ("train", "--recipe=demo"), 2, "audio, image",
            "Choose one with --plugin"),
    Mistake("named neither plugin nor data for a plan", ("train", "--minutes=1"), 2, "--plugin",
            "--data my_pictures"),
    Mistake("misspelt the plugin", ("train", "--plugin=imgae", "--recipe=demo"), 2, "imgae",
            "Did you mean 'image'"),
    Mistake("took a recipe for a plugin", ("train", "--plugin=horse2zebra", "--recipe=demo"), 2,
            "horse2zebra", "plugins list"),
    Mistake("misspelt a recipe in a listing", ("recipes", "list", "smal"), 2, "smal",
            "Did you mean 'small'"),
    Mistake("named data without its option", (*TRAIN, "DATA"), 2, "unexpected extra argument",
            r"Did you mean --data \S+data"),
    Mistake("misspelt the recipe", ("train", "--plugin=image", "--recipe=hors2zebra"), 2,
            "hors2zebra", "Did you mean 'horse2zebra'"),
    Mistake("took another plugin's recipe", ("train", "--plugin=image", "--recipe=slt2rms"), 2,
            "slt2rms", "--plugin audio"),
    Mistake("named a recipe file that is not there",
            ("train", "--plugin=image", "--recipe=mine.toml"), 2, "mine.toml", "recipes copy"),
    Mistake("misspelt a key", (*TRAIN, "--data=DATA", "--set=train.stepz=4"), 2, "train.stepz",
            "Did you mean 'train.steps'"),
    Mistake("wrote --set without a value", (*TRAIN, "--data=DATA", "--set", "train.steps"), 2,
            "train.steps", "--set train.batch_size=4"),
    Mistake("gave a word for a number", (*TRAIN, "--data=DATA", "--set=train.steps=many"), 2,
            "train.steps", "a whole number"),
    Mistake("gave a number for a table", (*TRAIN, "--data=DATA", "--set=objective.cycle=5"), 2,
            "objective.cycle", "objective.cycle.weight"),
    Mistake("gave true for a number", (*TRAIN, "--data=DATA", "--set=codec.channels=true"), 2,
            "codec.channels", "expected a number, got True"),
    Mistake("spelt out a number", (*TRAIN, "--data=DATA", "--steps=ten"), 2, "ten", "whole number"),
    Mistake("cropped more than was resized", (*TRAIN, "--data=DATA", "--set=codec.crop=64"), 2,
            "codec.crop", "cannot be larger than codec.resize.*set both"),
    Mistake("cropped too small for the networks",
            (*TRAIN, "--data=DATA", "--set=codec.crop=8", "--set=discriminator.layers=3"), 1,
            r"\(3, 8, 8\)", r"\(3, 32, 32\) would do. Use larger windows"),
    Mistake("did not get the published set", TRAIN, 1, "datasets/horse2zebra",
            "cyclekit data get horse2zebra"),
    Mistake("misspelt the data's folder", (*TRAIN, "--data=my_picture"), 1, "my_picture",
            "trainA"),
    Mistake("named trainA itself", (*TRAIN, "--data=DATA/trainA"), 1, "trainA",
            r"name the folder that all domains are in, --data \S+"),
    Mistake("gave a folder of --data to data.domains", (*TRAIN, "--data=DATA",
            "--set=data.domains.a=trainA", "--set=data.domains.b=trainB"), 1, "trainA",
            "looked for where you are.*leave out --data"),
    Mistake("put pictures into one folder", (*TRAIN, "--data=flat"), 1, "flat",
            "data.domains|trainA and trainB"),
    Mistake("left a domain empty", (*TRAIN, "--data=half"), 1, "Domain B is empty",
            "trainB|Put|put"),
    Mistake("gave text files for pictures", (*TRAIN, "--data=texts"), 1, "txt", "trainA|plugin"),
    Mistake("gave a file for the folder", (*TRAIN, "--data=photo.png"), 1, "photo.png",
            "is a file, not a folder"),
    Mistake("trained into a run that is there", (*TRAIN, "--data=DATA", "--run-dir=RUN"), 2,
            "already holds a run", "cyclekit resume"),
    Mistake("trained into a folder of other things", (*TRAIN, "--data=DATA", "--run-dir=flat"), 2,
            "flat is not empty", "Name a new or empty folder"),
    Mistake("asked for a GPU that is not there",
            ("train", "--plugin=image", "--recipe=demo", "--accelerator=cuda"), 1, "cuda",
            "--accelerator cpu"),
    Mistake("resumed what is finished", ("resume", "RUN"), 0, "4 steps|finished|done", "--steps"),
    Mistake("resumed what is no run", ("resume", "flat"), 1, "flat is no run",
            "cyclekit runs list"),
    Mistake("forgot the direction", ("translate", "RUN", "photo.png", "-o", "out"), 2, "a2b",
            "--direction"),
    Mistake("turned the direction round",
            ("translate", "RUN", "photo.png", "-o", "out", "--direction=a2c"), 2, "a2c", "a2b"),
    Mistake("translated a file that is not there",
            ("translate", "RUN", "foto.png", "-o", "out", "--direction=a2b"), 1, "foto.png",
            "no such file"),
    Mistake("translated a sound with pictures",
            ("translate", "RUN", "sound.wav", "-o", "out", "--direction=a2b"), 1, "sound.wav",
            "PNG(.|\n)*The run is of plugin image; .wav is for audio"),
    Mistake("forgot where to write", ("translate", "RUN", "photo.png", "--direction=a2b"), 2,
            "--output", "-o"),
    Mistake("asked for a checkpoint that is not there",
            ("translate", "RUN", "photo.png", "-o", "out", "--direction=a2b", "--checkpoint=99"),
            1, "99", "2|4"),
    Mistake("exported without saying what", ("export", "RUN", "--direction=a2b"), 2, "-o",
            "--check"),
    Mistake("exported to an unknown kind", ("export", "RUN", "-o", "x.onnx", "--format=tflite",
            "--direction=a2b"), 2, "tflite", "onnx"),
    Mistake("compared one run", ("compare", "RUN"), 2, "two|another", "RUN"),
    Mistake("got a set that does not exist", ("data", "get", "horse2zebr"), 2, "horse2zebr",
            "Did you mean 'horse2zebra'"),
    Mistake("listed runs where there are none", ("runs", "list"), 1, "no folder runs",
            "runs list FOLDER.*--recipe demo"),
    Mistake("looked into an empty folder", ("data", "check", "half/trainB"), 2, "half/trainB",
            "no files in"),
    Mistake("asked for an unknown format",
            ("translate", "RUN", "photo.png", "-o", "out", "--direction=a2b", "--format=gif"), 2,
            "gif", "There are: same, png, jpeg, tiff"),
    Mistake("named the result after another kind",
            ("translate", "RUN", "photo.png", "-o", "out.wav", "--direction=a2b"), 2, "out.wav",
            "no .wav files. Name one of its kinds"),
    Mistake("began with a picture", (*TRAIN, "--data=DATA", "--init=photo.png"), 1,
            r"train.init: \S*photo.png", "Name a run, a file of weights"),
    Mistake("began with networks of another width",
            (*TRAIN, "--data=DATA", "--init=RUN", "--set=generator.channels=7",
             "--set=discriminator.channels=7"), 1, "at most|nothing",
            "--set generator.channels=4"),
    Mistake("began with a run that is not there", (*TRAIN, "--data=DATA", "--init=runs/00009"), 2,
            "runs/00009", "cyclekit runs list"),
    Mistake("imported a picture", ("import", "photo.png"), 1, "photo.png", "safetensors|torch"),
    Mistake("named a thing that a plugin lacks", ("plugins", "show", "image", "unet"), 2, "unet",
            "Did you mean 'unet_"),
)  # fmt: skip


@pytest.fixture
def place(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where people make mistakes."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photo.png", 0)
    for index in range(4):
        draw(tmp_path / f"flat/{index}.png", index)
    shutil.copytree(tmp_path / "flat", tmp_path / "half/trainA")
    (tmp_path / "half/trainB").mkdir()
    for letter in "AB":
        (tmp_path / f"texts/train{letter}").mkdir(parents=True)
        for index in range(3):
            (tmp_path / f"texts/train{letter}/{index}.txt").write_text("words")
    (tmp_path / "sound.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(32))
    return tmp_path


@pytest.fixture
def spare(trained: Path, place: Path) -> Callable[[], Path]:
    """A run that may be spoilt."""
    return lambda: copied(trained, place / "spare")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_is_answered(
    mistake: Mistake, cli: Cli, folders: Path, place: Path, spare: Callable[[], Path]
) -> None:
    import torch

    if "--accelerator=cuda" in mistake.command and torch.cuda.is_available():
        pytest.skip("this machine has a GPU, so asking for one is no mistake")
    run = spare() if any("RUN" in word for word in mistake.command) else place / "none"
    stand_for = {"RUN": run, "DATA": folders}
    command = [
        re.sub("RUN|DATA", lambda found: str(stand_for[found[0]]), word) for word in mistake.command
    ]
    outcome = cli(*command)
    said = outcome.err
    assert outcome.code == mistake.code, said
    assert re.search(mistake.said, said), said
    assert re.search(mistake.advice, said), said
    assert "Traceback" not in said
    assert not (place / "out").exists() or not list((place / "out").iterdir())


def test_there_are_thirty() -> None:
    assert len({mistake.what for mistake in MISTAKES}) == len(MISTAKES) >= 30
