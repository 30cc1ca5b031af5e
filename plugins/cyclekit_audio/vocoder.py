"""Log-mel spectrograms back to sound: one small interface, three ways to do it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from cyclekit.api import Options, RecipeError, RunsCode
from cyclekit_audio.mel import MelOptions, MelSpectrogram
from cyclekit_audio.neural import unpack

CHUNK = 1024  # frames that are inverted at once, so that an hour needs no more memory than a minute
OVERLAP = 32  # frames that neighbouring chunks share
MOMENTUM = 0.99  # Perraudin, Balazs and Søndergaard 2013


class VocoderOptions(Options):
    """How spectrograms become sound."""

    name: Literal["mel-griffin-lim", "griffin-lim", "network", "torchscript"] = "mel-griffin-lim"
    """`mel-griffin-lim`: finds phases and the magnitudes between mel bands together; `griffin-lim`:
    librosa's, for comparison; `network`: a trained HiFi-GAN or MelGAN, imported; `torchscript`: any
    other trained vocoder."""
    iterations: Annotated[int, Field(ge=1, le=1000)] = 60
    """Rounds of either Griffin-Lim."""
    weights: str = ""
    """Of a network: the file that `cyclekit import` made of HiFi-GAN's or MelGAN's. It holds no
    code."""
    file: Annotated[str, RunsCode()] = ""
    """The TorchScript file: (batch, mel bands, frames) in, (batch, 1, samples) out. Loading it runs
    code from it: name only a file that you trust."""
    config: str = ""
    """JSON that says for which mels it was trained, as HiFi-GAN's `config.json` does; empty: the
    one of that name beside the file."""

    @field_validator("weights", "file", "config")
    @classmethod
    def _from_anywhere(cls, path: str) -> str:
        """Absolute, so that a run can be opened from another folder."""
        return str(Path(path).expanduser().resolve()) if path else ""

    @model_validator(mode="after")
    def _file_where_needed(self) -> "VocoderOptions":
        if (self.name == "torchscript") != bool(self.file):
            raise ValueError(
                'codec.vocoder.file goes with name = "torchscript": give both or neither'
            )
        if (self.name == "network") != bool(self.weights):
            raise ValueError(
                'codec.vocoder.weights goes with name = "network": give both or neither'
            )
        return self


class Vocoder(Protocol):
    """Turns spectrograms into sound."""

    def __call__(self, log_mel: Tensor, before: Tensor | None = None) -> Tensor:
        """``(batch, mel bands, frames)`` -> ``(batch, frames * hop)``, about -1 to 1.

        Args:
            log_mel: As ``MelSpectrogram`` makes them.
            before: ``(batch, samples)``: how the sound begins, where that is decided already.
        """


class MelGriffinLim:
    """Griffin-Lim with mel magnitudes for a constraint instead of those of the spectrum.

    Every round makes the spectrum consistent, with the momentum of the fast Griffin-Lim algorithm
    (Perraudin et al. 2013), then scales its magnitudes until their mel bands are as wanted: a
    multiplicative update as in non-negative factorisation (Lee and Seung 2001). Phases and the
    magnitudes that the bands blur are thus found together.
    """

    def __init__(self, mel: MelSpectrogram, iterations: int) -> None:
        self._mel = mel
        self._iterations = iterations

    def __call__(self, log_mel: Tensor, before: Tensor | None = None) -> Tensor:
        """See ``Vocoder``; always the same sound for the same spectrogram."""
        mel = self._mel
        wanted = mel.expand(log_mel)
        filters = mel.filters.to(wanted)
        size = _guess_magnitudes(wanted, filters, mel.inverse.to(wanted))
        phase = torch.rand(size.shape[1:], generator=torch.Generator().manual_seed(0))
        spectrum = torch.polar(size, (2 * torch.pi * phase).to(size).expand_as(size))
        previous = None
        for _ in range(self._iterations):
            consistent = mel.spectrum(_begun(mel.signal(spectrum), before, mel.margin))
            ahead = consistent
            if previous is not None:
                ahead = consistent + MOMENTUM * (consistent - previous)
            previous = consistent
            spectrum = ahead * _correction(ahead.abs(), wanted, filters)
        wave = _begun(mel.signal(spectrum), before, mel.margin)
        return wave[:, mel.margin : wave.shape[1] - mel.margin]


class LibrosaGriffinLim:
    """librosa's inverse of mel bands (non-negative least squares), then its Griffin-Lim."""

    def __init__(self, mel: MelSpectrogram, iterations: int) -> None:
        self._mel = mel
        self._iterations = iterations

    def __call__(self, log_mel: Tensor, before: Tensor | None = None) -> Tensor:
        """See ``Vocoder``."""
        import librosa

        options, hop = self._mel.options, self._mel.options.hop
        waves = []
        for magnitudes in self._mel.expand(log_mel).cpu().double().numpy():
            spectrum = librosa.util.nnls(self._mel.filters.double().numpy(), magnitudes)
            wave = librosa.griffinlim(
                spectrum,
                n_iter=self._iterations,
                hop_length=hop,
                win_length=options.window,
                random_state=0,
            )
            # Its frames have their middle at the beginning of each hop, ours half a hop later.
            waves.append(np.pad(wave, (hop // 2, hop - hop // 2)).astype(np.float32))
        return torch.from_numpy(np.stack(waves)).to(log_mel)


class TrainedVocoder:
    """A network that was trained for certain mels, used for no others.

    Args:
        mel: The recipe's.
        network: ``(batch, mel bands, frames)`` to ``(batch, 1, samples)``.
        file: It came from.

    Attributes:
        network: It.
    """

    def __init__(self, mel: MelSpectrogram, network: nn.Module, file: Path) -> None:
        self._hop = mel.options.hop
        self.network = network
        self._file = file

    @torch.no_grad()
    def __call__(self, log_mel: Tensor, before: Tensor | None = None) -> Tensor:
        """See ``Vocoder``."""
        wave: Tensor = self.network.to(log_mel.device)(log_mel)
        wave = wave.reshape(len(log_mel), -1)
        wanted = log_mel.shape[-1] * self._hop
        if wave.shape[1] != wanted:
            raise RecipeError(
                f"The vocoder {self._file} made {wave.shape[1]} samples of "
                f"{log_mel.shape[-1]} frames; {wanted} were expected at a hop of {self._hop}."
            )
        return wave


def build_vocoder(options: VocoderOptions, mel: MelSpectrogram) -> Vocoder:
    """The vocoder that a recipe names."""
    if options.name == "torchscript":
        file = Path(options.file)
        config = Path(options.config) if options.config else file.with_name("config.json")
        _require_same_mels(mel.options, _read_config(config), config)
        return TrainedVocoder(mel, _load_script(file), file)
    if options.name == "network":
        file = Path(options.weights)
        network, trained = unpack(file)
        _require_same_mels(mel.options, trained, file)
        return TrainedVocoder(mel, network, file)
    made: Mapping[str, Callable[[MelSpectrogram, int], Vocoder]] = {
        "mel-griffin-lim": MelGriffinLim,
        "griffin-lim": LibrosaGriffinLim,
    }
    return made[options.name](mel, options.iterations)


def _load_script(file: Path) -> nn.Module:
    """A network from TorchScript.

    Raises:
        RecipeError: If it cannot be read.
    """
    try:
        network: nn.Module = torch.jit.load(str(file), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise RecipeError(
            f"codec.vocoder.file {file} is no TorchScript file: {str(error).splitlines()[0]}"
        ) from error
    return network.eval()


def synthesize(vocoder: Vocoder, log_mel: Tensor, hop: int) -> Tensor:
    """Any number of frames to sound, chunk after chunk, each beginning as the last one ended.

    Args:
        vocoder: Makes ``frames * hop`` samples of ``frames``.
        log_mel: ``(batch, mel bands, frames)``.
        hop: Samples from one frame to the next.

    Returns:
        ``(batch, frames * hop)``.
    """
    frames = log_mel.shape[-1]
    wave = log_mel.new_empty(len(log_mel), frames * hop)
    # The end of a chunk lacks its right-hand side: only half of the overlap is decided.
    agreed = OVERLAP // 2 * hop
    fade = torch.linspace(0, 1, agreed, device=wave.device)
    for start in range(0, max(frames - OVERLAP, 1), CHUNK - OVERLAP):
        first, stop = start * hop, min(start + CHUNK, frames) * hop
        known = wave[:, first : first + agreed].clone() if start else None
        made = vocoder(log_mel[..., start : start + CHUNK], known)
        if known is not None:
            made[:, :agreed] = known + fade * (made[:, :agreed] - known)
        wave[:, first:stop] = made
    return wave


def _guess_magnitudes(wanted: Tensor, filters: Tensor, inverse: Tensor) -> Tensor:
    """Magnitudes of a spectrum with the wanted mel bands (multiplicative updates from pinv)."""
    size: Tensor = (inverse @ wanted).clamp(min=1e-6)
    for _ in range(20):
        size = size * (filters.T @ wanted) / (filters.T @ (filters @ size)).clamp(min=1e-10)
    return size


def _correction(size: Tensor, wanted: Tensor, filters: Tensor) -> Tensor:
    """Factors that bring magnitudes nearer to the wanted bands; what no band covers fades."""
    share = filters.sum(dim=0)[:, None]
    ratio = filters.T @ (wanted / (filters @ size).clamp(min=1e-10))
    return torch.where(share > 0, ratio / share.clamp(min=1e-10), 0.1)


def _begun(wave: Tensor, before: Tensor | None, margin: int) -> Tensor:
    """A padded signal with its beginning replaced by what is decided already."""
    if before is not None:
        wave[:, margin : margin + before.shape[1]] = before
    return wave


def _read_config(config: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(config.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RecipeError(
            f"A vocoder needs JSON that says for which mels it was trained: cannot read {config} "
            f"({error}). Name it as codec.vocoder.config; HiFi-GAN's config.json does."
        ) from error


def _require_same_mels(options: MelOptions, trained: Mapping[str, Any], file: Path) -> None:
    """Refuse a vocoder of other mels, whose sounds would be wrong.

    Raises:
        RecipeError: Saying in what they differ.
    """
    ours = {
        "sampling_rate": options.rate,
        "n_fft": options.fft,
        "hop_size": options.hop,
        "win_size": options.window,
        "num_mels": options.bins,
        "fmin": options.low,
        "fmax": options.high,
        "log": options.log,
    }
    assumed = {"log": "natural", "fmax": options.rate / 2}
    faults = []
    for key, own in ours.items():
        theirs = trained.get(key) or assumed.get(key, 0 if key == "fmin" else None)
        if theirs != own:
            faults.append(f"{key} is {theirs} there and {own} here")
    if faults:
        raise RecipeError(
            f"The vocoder's mels are not this recipe's ({file}): {'; '.join(faults)}. "
            f"Change codec.mel, and train anew, or take another vocoder."
        )
