"""Whether a conversion still says the same: word errors, by a recogniser that the user names."""

import re
import shlex
import subprocess
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from cyclekit.api import Metric, Options, Translations, UsageError
from cyclekit_audio.waveform import Waveform

FILE = "{file}"
TRANSCRIPTS = (".txt", ".lab")  # beside a recording
LARGEST = 2**16  # bytes of a transcript

Recogniser = Callable[[Path], str]


class AudioMetricOptions(Options):
    """Settings of `cyclekit evaluate --set metrics.KEY=VALUE`."""

    recogniser: str = ""
    """A command that prints what is said in a file, such as `my-recogniser --plain {file}`; adds
    `wer`. It is run without a shell, once for each recording. No recipe can name it."""
    whisper: str = ""
    """A folder with a model for faster-whisper, which does the same (`pip install faster-whisper`);
    nothing is downloaded."""
    language: str = ""
    """What is spoken, for `whisper`, as `en`; without it the model guesses for each recording."""
    patience: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that `recogniser` may take for one recording."""

    @field_validator("recogniser")
    @classmethod
    def _names_its_file(cls, command: str) -> str:
        if command and FILE not in command:
            raise ValueError(f"the command must say where the file's name goes: {FILE}")
        return command


class Heard:
    """What a recogniser has heard so far, by file, so that sources are listened to once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Path], str] = {}

    def in_source(self, file: Path, recognise: Recogniser, name: str) -> str:
        """What is said in a file that stays what it is."""
        if (name, file) not in self._known:
            self._known[name, file] = recognise(file)
        return self._known[name, file]


def score_words(sounds: Translations[Waveform], heard: Heard) -> dict[str, float]:
    """``wer``: word errors of the outputs for each word that should be there, all files together.

    What should be there is a transcript beside the source's recording (``.txt`` or ``.lab``), else
    what the same recogniser hears in it. ``wer_source``, where there are transcripts: the same of
    the sources that have one. Letters' case and punctuation count for nothing.
    """
    options = sounds.options
    if not isinstance(options, AudioMetricOptions) or not sounds.output_files:
        return {}
    recognise = recogniser_of(options)
    if recognise is None:
        return {}
    name = options.recogniser or options.whisper
    errors = words = 0
    source_errors = source_words = 0
    for source, output in zip(sounds.input_files, sounds.output_files, strict=True):
        written = transcript(source)
        wanted = words_of(written or heard.in_source(source, recognise, name))
        errors += edits(wanted, words_of(recognise(output)))
        words += len(wanted)
        if written:
            source_errors += edits(wanted, words_of(heard.in_source(source, recognise, name)))
            source_words += len(wanted)
    figures = {"wer": errors / words} if words else {}
    return figures | ({"wer_source": source_errors / source_words} if source_words else {})


def recogniser_of(options: AudioMetricOptions) -> Recogniser | None:
    """The one that the options name, if any."""
    if options.recogniser:
        return lambda file: _by_command(options.recogniser, file, options.patience)
    if options.whisper:
        return lambda file: _by_whisper(options.whisper, file, options.language)
    return None


def transcript(recording: Path) -> str:
    """What is written beside a recording; nothing where there is no such file.

    Raises:
        UsageError: If it is no text, or much too long.
    """
    for suffix in TRANSCRIPTS:
        file = recording.with_suffix(suffix)
        if not file.is_file():
            continue
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError(f"{file} is no text in UTF-8 ({error})") from error
        if len(content) > LARGEST:
            raise UsageError(f"{file} is no transcript of a recording: more than {LARGEST} bytes")
        return text
    return ""


def words_of(text: str) -> list[str]:
    """Words without case and punctuation; an apostrophe within one stays."""
    plain = (
        unicodedata.normalize("NFKC", text)
        .casefold()
        .replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain)


def edits(wanted: Sequence[str], got: Sequence[str]) -> int:
    """Words to be put in, left out or exchanged (Levenshtein's distance)."""
    before = list(range(len(got) + 1))
    for row, word in enumerate(wanted, start=1):
        now = [row]
        for column, other in enumerate(got, start=1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != other)))
        before = now
    return before[-1]


def _by_command(command: str, file: Path, patience: float) -> str:
    words = [word.replace(FILE, str(file.resolve())) for word in shlex.split(command)]
    said = f"metrics.recogniser, {words[0]} on {file.name},"
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=patience, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise UsageError(f"metrics.recogniser cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{said} took more than {patience:g} s (metrics.patience)") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UsageError(f"{said} ended with exit code {done.returncode}: {''.join(last)[:200]}")
    return done.stdout.decode(errors="replace")


def _by_whisper(folder: str, file: Path, language: str) -> str:
    segments, _ = _whisper(folder).transcribe(str(file), language=language or None, beam_size=5)
    return " ".join(segment.text for segment in segments)


@cache
def _whisper(folder: str) -> Any:
    if not Path(folder).is_dir():
        raise UsageError(f"metrics.whisper {folder!r} is no folder with a model for faster-whisper")
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise UsageError("metrics.whisper needs pip install faster-whisper") from error
    try:
        return WhisperModel(folder, device="cpu", local_files_only=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise UsageError(f"metrics.whisper {folder!r} cannot be used: {error}") from error


METRICS = (
    Metric(
        "words",
        {"wer": False},
        score_words,
        fit=lambda *_: Heard(),
        protocol=(
            "wer: word errors for each word of the transcripts beside the sources (.txt, .lab), "
            "where there are none of what is heard in the source; by the recogniser that was named "
            "(metrics.recogniser or metrics.whisper), without case and punctuation; wer_source: "
            "the same of the sources themselves"
        ),
    ),
)
