"""The commands on the pages for users, and a folder in which they can be tried."""

import csv
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from audio_support import SMALL_AUDIO, write_voices
from music_support import SMALL_MUSIC, write_scales
from support import QUICK, SMALL, as_options, copied, draw

import cyclekit
from cyclekit import cli

ROOT = Path(cyclekit.__file__).parents[1]
PAGES = (
    "README.md",
    *sorted(
        page.relative_to(ROOT).as_posix()
        for folder in ("start", "how-to", "explanation")
        for page in (ROOT / "docs" / folder).glob("*.md")
    ),
)
PLACEHOLDERS = {"RUN", "RUN2"}


@dataclass(frozen=True)
class Command:
    """A command as a page shows it.

    Attributes:
        page: Where.
        words: Split as a shell does; without redirections.
        to_run: Whether it stands in a block of its own, and not in a sentence or a table.
    """

    page: str
    words: tuple[str, ...]
    to_run: bool

    def __str__(self) -> str:
        return shlex.join(self.words)


def commands(page: str) -> Iterator[Command]:
    """All commands of a page, in order: those of its shell blocks, and those inside its lines."""
    text = (ROOT / page).read_text(encoding="utf-8")
    kind = None
    for block, line in _lines(text):
        kind = block
        if kind in ("sh", "bash"):
            for part in line.strip().split(" && "):
                words = shlex.split(part, comments=True)
                if words and kind == "sh":
                    yield Command(page, tuple(words), True)
                elif words and words[0] == "srun":
                    yield Command(page, tuple(words), False)
        elif kind is None:
            for code in re.findall(r"`([^`]+)`", line):
                if re.match(r"(cyclekit|pip|uv|make) \S", code) and "..." not in code:
                    yield Command(page, tuple(shlex.split(code.replace("\\|", "|"))), False)


def _lines(text: str) -> Iterator[tuple[str | None, str]]:
    """Each line with the language of the block that it is in; continued ones as one."""
    block = None
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            block = (line[3:].strip() or "text") if block is None else None
        else:
            yield block, line


def of_cyclekit(command: Command) -> tuple[str, ...] | None:
    """What cyclekit is told, whoever starts it; ``None`` if it is another program."""
    words = command.words
    if "cyclekit" in words and words[0] in ("cyclekit", "torchrun", "srun"):
        told = words[words.index("cyclekit") + 1 :]
        return tuple(word for word in told if word != "$machines")
    return None


def parse(arguments: tuple[str, ...]) -> click.Context:
    """What click makes of a command, down to its last verb.

    Raises:
        click.ClickException: If an option is unknown, or lacking.
    """
    bare = len(arguments) == 1  # named in a sentence, not shown with what it takes
    context = cli.cyclekit.make_context("cyclekit", list(arguments), resilient_parsing=bare)
    while isinstance(context.command, click.Group) and (left := left_over(context)):
        name, command, rest = context.command.resolve_command(context, left)
        assert command is not None
        context = command.make_context(name, rest, parent=context, resilient_parsing=bare)
    return context


def left_over(context: click.Context) -> list[str]:
    """What a group has not taken, whichever name click has for it."""
    protected = getattr(context, "_protected_args", None)
    return (context.protected_args if protected is None else protected) + context.args


def furnish(place: Path, trained: Path | None, folders: Path) -> None:
    """Make the files that the pages' commands name, a few and small.

    Args:
        place: The folder in which they are tried.
        trained: A small run, of which there are two copies; none where there are to be no runs yet.
        folders: With ``trainA`` and so on, of small pictures.
    """
    for number in (1, 2) if trained else ():
        copied(trained, place / f"runs/0000{number}-image-horse2zebra")
    for name in ("my_pictures", "few_pictures", "other_pictures", "moved_pictures"):
        shutil.copytree(folders, place / name)
    (place / "my_pictures/pairs.csv").write_text("A,B\n0,0\n1,1\n2,2\n3,3\n4,4\n")
    for name, split in (("cats", "trainA"), ("dogs", "trainB"), ("more", "testA")):
        shutil.copytree(folders / split, place / name)
    for index in range(8):
        draw(place / f"good_pictures/{index}.png", index)
    shutil.copytree(folders / "trainA", place / "testA")
    draw(place / "photo.jpg", 1)
    draw(place / "testB/red.png", 2)
    for number, season in enumerate(("spring", "summer", "winter")):
        for index in range(4):
            draw(place / f"my_seasons/train/{season}/{index}.png", 10 * number + index)
        draw(place / f"my_seasons/test/{season}/9.png", 10 * number + 9)
    names = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
    rows = []
    for index in range(12):
        split = "train" if index < 8 else "test"
        draw(place / f"my_faces/{split}/{index}.png", index)
        rows.append([f"{index}.png", *((index >> bit % 3) & 1 for bit in range(4)), index % 3 == 0])
    with (place / "my_faces/list_attr_celeba.txt").open("w") as file:
        file.write(f"{len(rows)}\n{' '.join(names)}\n")
        csv.writer(file, delimiter=" ").writerows(
            [row[0], *(1 if value else -1 for value in row[1:])] for row in rows
        )
    write_voices(place / "my_voices")
    shutil.copy(next((place / "my_voices/testA").iterdir()), place / "sentence.wav")
    write_scales(place / "my_midi")
    shutil.copy(place / "my_midi/testA/0.mid", place / "piece.mid")


SMALL_RECIPES = {"horse2zebra", "paper", "small", "mine.toml", "stargan", "celeba"}
"""Recipes of pictures whose networks are made small; others are, or draw their own data."""


def reduced(arguments: tuple[str, ...], evaluated: bool) -> list[str]:
    """The same command with few steps and small networks, if it trains.

    Args:
        arguments: Of the command.
        evaluated: Whether later commands ask for figures of what it trains.
    """
    if arguments[0] == "evaluate":
        return [*arguments, "--quick", "--accelerator=cpu"]
    if arguments[0] == "resume":
        arguments = tuple(
            str(max(6, int(word) // 250)) if word.isdecimal() else word for word in arguments
        )
        return [*arguments, "--accelerator=cpu"]
    if arguments[0] != "train":
        return list(arguments)
    plugin = arguments[arguments.index("--plugin") + 1]
    recipe = arguments[arguments.index("--recipe") + 1]
    few = QUICK | {
        "train.evaluate_every": 4 if evaluated else 0,
        "train.evaluate_items": 4,
    }
    settings = {"audio": SMALL_AUDIO, "music": SMALL_MUSIC}.get(plugin, {}) | few
    if plugin == "image" and recipe in SMALL_RECIPES:
        settings = SMALL | few
    if recipe in ("stargan", "celeba"):
        settings |= {"discriminator.layers": 3}
    said = {word.partition("=")[0] for word in arguments}
    kept = {key: value for key, value in settings.items() if key not in said}
    steps = [] if "--steps" not in arguments else ["--steps=4"]
    return [*arguments, *as_options(kept), *steps, "--accelerator=cpu"]
