"""Sound <-> log-mel spectrograms, normalised for each voice."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from cyclekit.api import (
    CheckpointError,
    Codec,
    Media,
    Options,
    Portable,
    PortablePart,
    PreviewRow,
    Sample,
    TensorSpec,
)
from cyclekit_audio.decoding import CANCELLED, DEPTHS
from cyclekit_audio.kinds import OTHER_SUFFIXES, SUFFIXES, is_sound
from cyclekit_audio.levels import sounding
from cyclekit_audio.mel import SHORTEST, MelOptions, MelSpectrogram
from cyclekit_audio.sheet import draw_sheet
from cyclekit_audio.vocoder import (
    CHUNK,
    MOMENTUM,
    OVERLAP,
    TrainedVocoder,
    VocoderOptions,
    build_vocoder,
    synthesize,
)
from cyclekit_audio.waveform import (
    LEVEL,
    UNBOUNDED,
    Waveform,
    match_level,
    one_after_another,
    read_waveform,
    root_mean_square,
    write_waveform,
)

HERE = Path(__file__).parent
LOUDEST = 12.0  # logarithm of a mel magnitude that no sound reaches
TILE = 1024  # frames that go through a network at once
FLATTEST = 0.2  # smallest deviation that a mel band is divided by, as a share of their mean


class AudioOptions(Options):
    """How sound becomes spectrograms and back."""

    mel: MelOptions = MelOptions()
    """What the spectrograms are: a preset's name, or a table. Vocoders need the ones they were
    trained on."""
    frames: Annotated[int, Field(ge=8, multiple_of=4)] = 64
    """Frames in a training window; a multiple of 4."""
    trim: Annotated[float, Field(ge=0)] = 40.0
    """Silence at both ends, so many dB below the loudest, is no part of training; 0 keeps it."""
    level: Literal["even", "kept"] = "even"
    """`even`: recordings are brought to one level for the networks; `kept`: they see each as it is,
    as those do that were trained elsewhere. A translation is as loud as its source either way."""
    dither: Annotated[float, Field(ge=0, le=120)] = 57.0
    """Noise so many dB below the speech is added before encoding, the same each time. Without it
    digital silence is one exact number, by which discriminators tell real from fake. 0: none."""
    fade: Annotated[float, Field(ge=0)] = 1e-3
    """Mel magnitude (speech peaks near 1) below which networks see ever less, since the noise in
    silence is nothing that they could copy from one voice to the other. 0: they see everything."""
    vocoder: VocoderOptions = VocoderOptions()
    """What turns spectrograms into sound."""


class AudioCodec(Codec[Waveform]):
    """Waveforms as ``(1, mel bands, frames)``, every band normalised by its voice's statistics."""

    Options: ClassVar[type[Options]] = AudioOptions
    options: AudioOptions

    suffixes: ClassVar[frozenset[str]] = SUFFIXES | OTHER_SUFFIXES
    usual_suffixes = (".wav", ".flac", ".mp3", ".ogg")

    def __init__(self, options: AudioOptions) -> None:
        super().__init__(options)
        self.mel = MelSpectrogram(options.mel)
        self.vocoder = build_vocoder(options.vocoder, self.mel)
        self._statistics: dict[str, Tensor] = {}

    def recognises(self, head: bytes) -> bool:
        """Sound whose name does not tell."""
        return is_sound(head)

    def spec(self, domain: str) -> TensorSpec:
        """``(1, mel bands, frames)``, unbounded; NaN where a short utterance was filled up."""
        return TensorSpec(
            1,
            sizes=(self.options.mel.bins, None),
            range=None,
            tiles=(None, TILE),
            gaps=True,
        )

    def load(self, path: Path) -> Waveform:
        """Read a file in which something sounds, and mix it down."""
        return read_waveform(path)

    def load_input(self, path: Path, domain: str) -> Waveform:
        """Read a file to translate: silence becomes silence."""
        return read_waveform(path, silent=True)

    def read_back(self, path: Path) -> Waveform:
        """Read a translation, in which nothing may sound."""
        return read_waveform(path, silent=True)

    def encode(self, item: Waveform, domain: str) -> Sample:
        """The whole sound, brought to one rate and level."""
        wave = item.at(self.options.mel.rate)
        first, last = self._sounding(wave)
        level = root_mean_square(wave[first:last])
        if self.options.level == "even":
            wave = wave * np.float32(LEVEL / max(level, 1e-9))
        if self.options.dither:
            noise = np.random.default_rng(0).standard_normal(len(wave), dtype=np.float32)
            wave = wave + np.float32(LEVEL * 10 ** (-self.options.dither / 20)) * noise
        log_mel = self.mel(torch.from_numpy(wave)[None])
        hop, loudest = self.options.mel.hop, np.abs(item.samples).max()
        begin, end = first // hop, -(-last // hop)
        meta = {
            "samples": len(item.samples),
            "rate": item.rate,
            "level": item.level,
            "encoding": item.encoding,
            "sounding": [begin, end],
        }
        facts = {
            "seconds": item.seconds,
            "channels": float(item.channels),
            "rate": float(item.rate),
            "trimmed": 1 - (last - first) / len(wave),
            "clipped": float(np.mean(np.abs(item.samples) >= loudest)) if loudest >= 0.99 else 0.0,
            "padded": float(end - begin < self.options.frames),
        }
        if item.channels > 1:
            facts["cancelled"] = float(item.cancelled)
        return Sample(log_mel, meta, facts)

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Waveform:
        """Sound as long and as loud as the source's, and of its depth."""
        # Whatever a network makes up stays a sound.
        log_mel = tensor.float().nan_to_num().clamp(-LOUDEST, LOUDEST).to(self.device)
        made = synthesize(self.vocoder, log_mel, self.options.mel.hop)[0].cpu().numpy()
        samples = Waveform(made, self.options.mel.rate).at(meta["rate"])[: meta["samples"]]
        samples = np.pad(samples, (0, meta["samples"] - len(samples)))
        encoding = meta["encoding"]
        samples = match_level(samples, meta["level"], bounded=encoding not in UNBOUNDED)
        return Waveform(samples, meta["rate"], encoding=encoding)

    def save(self, item: Waveform, path: Path) -> Path:
        """Write WAV of the sound's depth."""
        return write_waveform(item, path)

    def side_by_side(self, items: Sequence[Waveform]) -> Waveform:
        """One sound after the other, with a pause between them."""
        return one_after_another(items)

    def windows(self, sample: Sample) -> Sequence[Sample]:
        """Stretches of two windows' length, from which ``augment`` cuts one; NaN fills up."""
        first, last = sample.meta["sounding"]
        log_mel, window = sample.tensor[..., first:last], self.options.frames
        length = log_mel.shape[-1]
        if length < window:
            rest = log_mel.new_full((*log_mel.shape[:-1], window - length), torch.nan)
            return [Sample(torch.cat([log_mel, rest], dim=-1))]
        stretch = min(2 * window, length)
        starts = [*range(0, length - stretch, window), length - stretch]
        return [Sample(log_mel[..., start : start + stretch].clone()) for start in starts]

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        """Cut one window out of a stretch."""
        spare = tensor.shape[-1] - self.options.frames
        start = int(torch.randint(spare + 1, (), generator=rng))
        return tensor[..., start : start + self.options.frames]

    def fit(self, domain: str, windows: Sequence[Sample]) -> None:
        """Mean and deviation of every mel band."""
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for window in windows:
            known = self._faded(window.tensor[0, :, ~window.tensor[0, 0].isnan()].double())
            count += known.shape[1]
            total, squares = total + known.sum(dim=1), squares + known.square().sum(dim=1)
        mean = total / count
        variance = squares / count - mean.square()
        deviation = variance.clamp(min=0).sqrt()
        # A band in which nothing ever sounds would else be nothing but magnified noise.
        deviation = deviation.clamp(min=FLATTEST * deviation.mean().item() + 1e-6)
        self._statistics[domain] = torch.stack([mean, deviation]).float()

    def remarks(self, facts: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
        """Say what was mixed down, and which voices differ in more than the voice."""
        said = []
        for domain, files in facts.items():
            of = f"of {len(files)} files of domain {domain.upper()} have"
            cancelled = sum(file.get("cancelled", 0) > 0 for file in files)
            mixed = sum(file["channels"] > 1 for file in files) - cancelled
            if mixed:
                said.append(f"{mixed} {of} several channels and were mixed down to one")
            if cancelled:
                said.append(
                    f"{cancelled} {of} channels out of phase, which cancel each other: the loudest "
                    f"one was used"
                )
        rates_of = {name: [file["rate"] for file in files] for name, files in facts.items()}
        lowest = {name: min(rates) for name, rates in rates_of.items() if rates}
        # Rates that hold all that the mel bands hold leave no mark in the spectrograms.
        apart = len(set(lowest.values())) > 1
        if apart and min(lowest.values()) < 2 * self.options.mel.high:
            rates = ", ".join(f"{name.upper()} {rate:.0f} Hz" for name, rate in lowest.items())
            said.append(
                f"the domains differ in sampling rate ({rates}), which networks take for a part of "
                f"the voice: bring both to one rate first, or set codec.mel.high to "
                f"{min(lowest.values()) / 2:.0f} at most"
            )
        return said

    def state_dict(self) -> dict[str, Tensor]:
        """Statistics of each voice, ``(2, mel bands)``, and what the spectrograms are."""
        return {**self._statistics, "mel": self._fingerprint}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back statistics of the same kind of spectrograms.

        Raises:
            CheckpointError: If they are of others.
            ValueError: If they are of another kind, or of fewer voices than were fitted.
        """
        if not torch.equal(state["mel"].cpu(), self._fingerprint):
            raise CheckpointError(
                "The checkpoint was trained on other spectrograms than codec.mel, codec.fade, "
                "codec.dither and codec.level now say. Put the run's recipe back, or train anew."
            )
        tables = {name: table for name, table in state.items() if name != "mel"}
        for domain in {*tables, *self._statistics}:
            if domain not in tables or tuple(tables[domain].shape) != (2, self.options.mel.bins):
                raise ValueError(f"the statistics of voice {domain!r:.50} are of another kind")
        self._statistics = tables

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        """Every mel band with mean 0 and deviation 1 over its voice."""
        mean, deviation = self._bands(domain, tensor)
        return (self._faded(tensor.float()) - mean) / deviation

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        """The inverse of ``to_network``."""
        mean, deviation = self._bands(domain, tensor)
        faded = tensor * deviation + mean
        if not self.options.fade:
            return faded
        return self.mel.compress(self.mel.expand(faded) - self.options.fade)

    def portable(self, source: str, target: str) -> Portable:
        """Normalised bands; the script has the vocoder that needs no weights, or runs a network."""
        vocoder = self.options.vocoder.name
        own = vocoder in ("mel-griffin-lim", "network")
        parts = {}
        if isinstance(self.vocoder, TrainedVocoder) and vocoder == "network":
            bands_and_frames = torch.randn(1, self.options.mel.bins, 40) - 4
            parts["vocoder"] = PortablePart(self.vocoder.network, bands_and_frames, (-1, 1))
        back = "" if own else f" The vocoder {self.options.vocoder.name!r} is no part of this."
        bands = "Log-mel magnitudes (`codec`), each band less the mean of its voice, divided by its"
        return Portable(
            axes=("mel bands", "frames"),
            input=f"{bands} deviation (`learned`, mean first); `codec.fade` is added before.",
            output=f"Likewise, of the other voice; `codec.fade` is taken off again.{back}",
            settings={
                "depths": DEPTHS,
                "cancelled": CANCELLED,
                "shortest": SHORTEST,
                "loudest": LOUDEST,
                "chunk": CHUNK,
                "overlap": OVERLAP,
                "momentum": MOMENTUM,
                "vocoder": vocoder,
            },
            parts=parts,
            script=(HERE / "with_onnx.py").read_text(encoding="utf-8") if own else "",
            modules={
                f"cyclekit_audio.{name}": (HERE / f"{name}.py").read_text(encoding="utf-8")
                for name in ("inaudible", "levels")
            },
        )

    def render(self, rows: Sequence[PreviewRow[Waveform]], folder: Path) -> list[Media]:
        """Spectrograms side by side, and everything as sound."""
        sheet = draw_sheet(rows, self.mel)
        path = folder / "sheet.png"
        sheet.save(path)
        media = [Media("samples", path, image=torch.from_numpy(np.array(sheet)).permute(2, 0, 1))]
        for index, row in enumerate(rows):
            stem = f"{index:02d}-{Path(row.name).stem.replace('.', '_')}"
            for heading, sound in row.labelled.items():
                media.append(
                    Media(
                        f"{row.name}/{heading}",
                        write_waveform(sound, folder / f"{stem}-{heading.replace(' ', '-')}"),
                        audio=torch.from_numpy(sound.samples.clip(-1, 1)),
                        sample_rate=sound.rate,
                    )
                )
        return media

    @property
    def _fingerprint(self) -> Tensor:
        """All that networks rely on, as numbers."""
        own = [self.options.fade, self.options.dither]
        own += [1.0] if self.options.level == "kept" else []
        return torch.cat([self.options.mel.fingerprint, torch.tensor(own, dtype=torch.float64)])

    def _faded(self, log_mel: Tensor) -> Tensor:
        if not self.options.fade:
            return log_mel
        return self.mel.compress(self.mel.expand(log_mel) + self.options.fade)

    def _bands(self, domain: str, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation, each ``(1, mel bands, 1)``."""
        if domain not in self._statistics:
            raise CheckpointError(
                f"There are no statistics of voice {domain!r:.50}. Is the checkpoint of this run?"
            )
        mean, deviation = self._statistics[domain].to(like)[:, None, :, None]
        return mean, deviation

    def _sounding(self, wave: np.ndarray[Any, Any]) -> tuple[int, int]:
        """The samples between the silences at both ends."""
        return sounding(wave, self.options.trim) if self.options.trim else (0, len(wave))
