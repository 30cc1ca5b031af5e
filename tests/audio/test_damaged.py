"""A corpus of damaged sound files: none crashes, hangs or goes unnamed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from audio_support import SMALL_AUDIO, tone, write_voices
from cyclekit_audio.waveform import read_waveform
from damage import add_oddities, make_corpus, noise, translate_corpus
from support import training

from cyclekit.api import BadSample

COUNT = 200
SUFFIXES = ("wav", "flac", "ogg", "mp3")


def refusal(file: Path) -> str | None:
    """Why a file cannot be used, or ``None`` where it can."""
    try:
        read_waveform(file)
    except BadSample as error:
        return error.why
    return None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    rng = random.Random(0)
    for suffix in SUFFIXES:
        whole = folder / f"whole-{suffix}.{suffix}"
        soundfile.write(whole, tone(0.3, 16_000).samples, 16_000)
        make_corpus(whole, COUNT // len(SUFFIXES), rng, noise(4, 48), noise(16, 24))
    add_oddities(folder, ".wav")
    return folder


def test_every_file_is_read_or_refused_with_a_reason(corpus: Path) -> None:
    reasons = [refusal(file) for file in sorted(corpus.glob("whole-*-*.*"))]
    assert "" not in reasons
    assert sum(reason is not None for reason in reasons) > COUNT / 5
    assert sum(reason is None for reason in reasons) > COUNT / 10


@pytest.mark.slow
def test_translating_the_corpus_names_each_file_and_writes_the_rest(
    corpus: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    run, data = tmp_path / "run", write_voices(tmp_path / "data")
    train = training("audio", "slt2rms", SMALL_AUDIO)(
        data, run, train__steps=1, train__preview_every=0
    )
    assert {f"whole-{suffix}" for suffix in SUFFIXES} <= translate_corpus(cli, train, run, corpus)
