"""Word errors, by a recogniser that stands in for a real one."""

import sys
from pathlib import Path

import pytest
from audio_support import tone
from cyclekit_audio.waveform import write_waveform
from cyclekit_audio.words import AudioMetricOptions, Heard, edits, score_words, transcript, words_of

from cyclekit.api import Translations, UsageError

# Prints what a table says of a file, and counts how often it was asked.
STAND_IN = """
import json, pathlib, sys
home, file = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
assert file.read_bytes()[:4] == b"RIFF"
with (home / "asked").open("a") as asked:
    asked.write(file.name + " ")
print(json.loads((home / "said.json").read_text())[file.stem])
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "stand-in.py").write_text(STAND_IN)
    (tmp_path / "said.json").write_text(
        '{"one": "The cat sat down.", "two": "hello", "made1": "the cat sat", "made2": "yellow"}'
    )
    return tmp_path


def options(home: Path, **more: object) -> AudioMetricOptions:
    command = f"'{sys.executable}' '{home / 'stand-in.py'}' '{home}' {{file}}"
    return AudioMetricOptions.model_validate({"recogniser": command, **more})


def sounds(home: Path, given: AudioMetricOptions) -> Translations:  # type: ignore[type-arg]
    files = {
        name: write_waveform(tone(0.1), home / name) for name in ("one", "two", "made1", "made2")
    }
    return Translations(
        "a", "b", [], [], [], [], [], given,
        input_files=[files["one"], files["two"]],
        output_files=[files["made1"], files["made2"]],
    )  # fmt: skip


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert words_of("Don\u2019t \u201cstop\u201d, she-cat: 42!") == [
        "don't",
        "stop",
        "she",
        "cat",
        "42",
    ]
    assert words_of("Größe; ЁЖ") == ["grösse", "ёж"]
    assert edits(["a", "b", "c", "d"], ["a", "x", "c"]) == 2
    assert (edits([], ["a"]), edits(["a"], []), edits(["a"], ["a"])) == (1, 1, 0)


def test_without_transcripts_the_source_is_listened_to_once(home: Path) -> None:
    heard, shown = Heard(), sounds(home, options(home))
    for _ in range(2):
        # "down" is missing, and hello has become yellow: two of five.
        assert score_words(shown, heard) == {"wer": pytest.approx(2 / 5)}
    asked = (home / "asked").read_text().split()
    assert sorted(asked) == sorted(["one.wav", "two.wav", *["made1.wav", "made2.wav"] * 2])


def test_transcripts_count_before_what_is_heard(home: Path) -> None:
    (home / "one.txt").write_text("the cat sat", encoding="utf-8-sig")
    (home / "two.lab").write_text("jello mate")
    figures = score_words(sounds(home, options(home)), Heard())
    assert figures == {"wer": pytest.approx(2 / 5), "wer_source": pytest.approx(3 / 5)}


def test_real_recordings_are_no_translations(home: Path) -> None:
    assert score_words(Translations("a", "b", [], [], [], [], [], options(home)), Heard()) == {}
    assert score_words(sounds(home, AudioMetricOptions()), Heard()) == {}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-recogniser {file}", "metrics.recogniser cannot be run"),
        (f"'{sys.executable}' -c 'import sys; sys.exit(\"deaf\")' {{file}}", "exit code 1: deaf"),
        (f"'{sys.executable}' -c 'import time; time.sleep(9)' {{file}}", r"more than 0\.5 s"),
    ],
)
def test_a_recogniser_that_fails_is_named(home: Path, command: str, said: str) -> None:
    given = AudioMetricOptions(recogniser=command, patience=0.5 if "sleep" in command else 120)
    with pytest.raises(UsageError, match=said):
        score_words(sounds(home, given), Heard())


def test_what_is_no_transcript_is_named(home: Path) -> None:
    (home / "one.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match=r"one\.txt is no text in UTF-8"):
        transcript(home / "one.wav")
    (home / "two.txt").write_text("la " * 30_000)
    with pytest.raises(UsageError, match="more than 65536 bytes"):
        transcript(home / "two.wav")


def test_a_command_says_where_the_file_goes() -> None:
    with pytest.raises(ValueError, match="must say where the file's name goes"):
        AudioMetricOptions(recogniser="recognise")
    with pytest.raises(UsageError, match="is no folder with a model"):
        score_words(
            Translations(
                "a",
                "b",
                [],
                [],
                [],
                [],
                [],
                AudioMetricOptions(whisper="/no/such"),
                input_files=[Path("x.wav")],
                output_files=[Path("y.wav")],
            ),
            Heard(),
        )
