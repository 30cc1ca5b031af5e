"""Sound files decoded block by block, so that no header says how much memory they take."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import soundfile

from cyclekit.api import BadSample
from cyclekit_audio.extents import HEAD, Corrected, Extent, ends_within_a_page, find_extent
from cyclekit_audio.inaudible import Array, heard_part
from cyclekit_audio.kinds import NEVER_MPEG, OTHER_SUFFIXES, is_sound, other_kind
from cyclekit_audio.quiet import quiet_natives
from cyclekit_audio.sound import Waveform

LONGEST = 3600  # seconds of one file
RATES = (4_000, 384_000)  # samples a second that files may have
BLOCK = 2**18  # numbers that are decoded at once
LACKING = 0.1  # seconds at the end that nobody misses: pads, headers that count themselves
SHARE = 0.05  # of a short sound that nobody misses
CANCELLED = 0.25  # of the energy that channels have: if less is left in their mean, it is none
LARGEST = 2.0**32  # of numbers that somebody may have meant for samples

DEPTHS = {
    "PCM_24": "PCM_24",
    "PCM_32": "PCM_32",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "DWVW_24": "PCM_24",
    "ALAC_20": "PCM_24",
    "ALAC_24": "PCM_24",
    "ALAC_32": "PCM_32",
}
"""What sound is written in, by what it was read in, where that holds more than 16 bits."""


def read_waveform(path: Path, silent: bool = False) -> Waveform:
    """Read whatever libsndfile reads: the mean of its channels, or the loudest of them.

    Args:
        path: WAV, FLAC, OGG, Opus, MP3, AIFF and others.
        silent: Accept a file in which nothing sounds.

    Raises:
        BadSample: If it is no such file, is broken off, holds no samples or what is none, or is
            longer than ``LONGEST``.
    """
    sound = _read(path)
    if not silent and sound.silent:
        raise BadSample(path, "is silent")
    return sound


def _read(path: Path) -> Waveform:
    try:
        with path.open("rb") as raw:
            head = raw.read(HEAD)
            extent = find_extent(raw)
            cut_off = head.startswith(b"OggS") and ends_within_a_page(raw)
    except (OSError, ValueError) as error:
        raise BadSample(path, f"cannot be read ({error})") from error
    try:
        return _decoded(path, head, extent, cut_off)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        if cut_off or (extent and extent.share < 1):
            raise BadSample(path, f"is broken off; {_remedy(path)}") from error
        raise BadSample(path, _why_unreadable(path, head, error)) from error


class _Sound(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its beginning to its end, as all can be: soundfile seeks."""

    def seekable(self) -> bool:
        """Nobody needs to know."""
        return False


def _decoded(path: Path, head: bytes, extent: Extent | None, cut_off: bool) -> Waveform:
    with _opened(path, head, extent) as file:
        rate, channels, subtype = int(file.samplerate), int(file.channels), str(file.subtype)
        low, high = RATES
        if not low <= rate <= high:
            raise BadSample(path, f"has {rate} samples a second; {low} to {high} can be used")
        known = 0 < file.frames < 2**62
        promised = file.frames / rate if known else 0.0
        if promised > LONGEST:
            raise BadSample(path, f"lasts {promised / 3600:.1f} hours: cut it into parts")
        mean, energies = _mean_of_channels(path, file)
    seconds = len(mean) / rate
    promised = max(promised, seconds / max(extent.share, 1e-9) if extent else 0.0)
    if (
        cut_off
        or promised - seconds > min(LACKING, SHARE * promised)
        or (extent and not extent.share)
    ):
        of = f" of {promised:.2f}" if promised > seconds else ""
        raise BadSample(
            path, f"is broken off: {seconds:.2f}{of} seconds are there; {_remedy(path)}"
        )
    if not len(mean):
        raise BadSample(path, "holds no samples")
    *each, left = energies
    cancelled = left < CANCELLED * sum(each) / channels**2
    if cancelled:
        with _opened(path, head, extent) as file:
            mean = _one_channel(path, file, int(np.argmax(each)))
    return Waveform(mean, rate, channels, DEPTHS.get(subtype, "PCM_16"), cancelled)


@contextmanager
def _opened(path: Path, head: bytes, extent: Extent | None) -> Iterator[soundfile.SoundFile]:
    """The file as libsndfile sees it, its header put right."""
    with ExitStack() as stack:
        if _may_be_mpeg(head):
            stack.enter_context(quiet_natives())
        source: Path | Corrected = path
        if extent and extent.corrections:
            raw = stack.enter_context(path.open("rb"))
            source = Corrected(raw, extent.corrections)
        yield stack.enter_context(_Sound(source))


def _blocks(path: Path, file: soundfile.SoundFile) -> Iterator[Array]:
    """``(samples, channels)`` float32, block after block."""
    count, most = 0, max(BLOCK // file.channels, 1)

    def read() -> Array:
        try:
            block: Array = file.read(most, "float32", always_2d=True)
        except soundfile.SoundFileError as error:
            why = f"is damaged or broken off ({_said(error)})"
            raise BadSample(path, f"{why}; {_remedy(path)}") from error
        return block

    while len(block := read()):
        count += len(block)
        if count > LONGEST * file.samplerate:
            raise BadSample(path, f"lasts more than {LONGEST // 3600} hour: cut it into parts")
        yield block


def _mean_of_channels(path: Path, file: soundfile.SoundFile) -> tuple[Array, Array]:
    """The mean, and the energy of each channel and of the mean, ``(channels + 1,)``."""
    parts, energies, state = [np.empty(0, np.float32)], np.zeros(file.channels + 1), None
    for block in _blocks(path, file):
        mean = block.mean(axis=1)
        parts.append(_required(path, mean))
        if file.channels > 1:
            heard, state = heard_part(np.column_stack([block, mean]), file.samplerate, state)
            energies += np.square(heard).sum(axis=0)
    return np.concatenate(parts), energies


def _one_channel(path: Path, file: soundfile.SoundFile, channel: int) -> Array:
    return np.concatenate([block[:, channel].copy() for block in _blocks(path, file)])


def _required(path: Path, samples: Array) -> Array:
    """The samples, if they can be some."""
    if not np.isfinite(samples).all():
        raise BadSample(path, "holds samples that are no finite numbers")
    if np.abs(samples).max() > LARGEST:
        raise BadSample(path, "holds numbers that are too large for samples of sound")
    return samples


def _may_be_mpeg(head: bytes) -> bool:
    """Whether libmpg123 might be asked, which speaks of what it finds."""
    if head.startswith(b"RIFF"):
        return head[head.find(b"fmt ") + 8 :][:2] in (b"\x50\0", b"\x55\0")
    return not head.startswith(NEVER_MPEG)


def _why_unreadable(path: Path, head: bytes, error: Exception) -> str:
    if name := other_kind(head):
        return f"is {name}, which libsndfile does not read; {_remedy(path)}"
    if path.suffix.lower() in OTHER_SUFFIXES:
        return f"is a format that libsndfile does not read; {_remedy(path)}"
    why = f"cannot be read as sound ({_said(error)})"
    return f"{why}; {_remedy(path)}" if is_sound(head) else why


def _said(error: Exception) -> str:
    """A library's words, without the file's name that it puts before them."""
    said: str = getattr(error, "error_string", None) or str(error)
    if "does not exist" in said:  # libsndfile's words where it finds no frame of MPEG
        return "it is damaged, or no sound at all"
    return said.strip().rstrip(".").removeprefix("Error : ")


def _remedy(path: Path) -> str:
    new = path.with_suffix(".wav").name
    new = new if new != path.name else f"{path.stem}-new.wav"
    return f'get it again or convert it, for instance with ffmpeg -i "{path.name}" "{new}"'
