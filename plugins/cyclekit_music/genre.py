"""The genre classifier of Brunner et al. (arXiv 1809.07575), the judge of their transfer."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclekit.api import Metric, Translations, initialize, trained_once
from cyclekit_music.phrases import Score
from cyclekit_music.piece import Array, Piece
from cyclekit_music.roll import transpose
from cyclekit_music.texture import held

TRUSTED = 0.75  # accuracy on real test pieces below which a verdict means little
STEPS, BATCH, CHECK_EVERY = 600, 32, 50
HELD_OUT = 0.1  # share of the training pieces that chooses among the classifier's states
NOISE = 0.1  # standard deviation added to phrases in -1..1 while training
RESAMPLES = 1000


def genre_network(genres: int) -> nn.Sequential:
    """Map ``(batch, 1, 64, 84)`` in -1..1 to logits, ``(batch, genres)``."""
    return nn.Sequential(
        nn.Conv2d(1, 64, (1, 12), stride=(1, 12), bias=False),
        nn.LeakyReLU(0.2),
        *_layer(64, 128, 4),
        *_layer(128, 256, 2),
        *_layer(256, 512, 8),
        nn.Conv2d(512, genres, (1, 7), bias=False),
        nn.Flatten(),
    )


def _layer(source: int, target: int, steps: int) -> list[nn.Module]:
    return [
        nn.Conv2d(source, target, (steps, 1), stride=(steps, 1), bias=False),
        nn.InstanceNorm2d(target, affine=True),
        nn.LeakyReLU(0.2),
    ]


@dataclass(frozen=True)
class Phrases:
    """Phrases of a collection: ``(phrases, 64, 84)`` uint8, and the piece that each is from."""

    rolls: Array
    pieces: Array

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> "Phrases":
        """All phrases, silent ones included."""
        rolls, owners = [], []
        for index, piece in enumerate(pieces):
            found = list(Score.of(piece).phrases())
            rolls += found
            owners += [index] * len(found)
        return cls(np.stack(rolls), np.array(owners))

    @property
    def heard(self) -> Array:
        """Which phrases are not silent."""
        return np.asarray(self.rolls.any(axis=(1, 2)))

    def by_piece(self, count: int, values: Array | None = None) -> Array:
        """``(count,)``: how many phrases each piece has, or the sum of their ``values``."""
        return np.bincount(self.pieces, values, minlength=count)

    def only(self, chosen: Array) -> "Phrases":
        """Some of them."""
        return Phrases(self.rolls[chosen], self.pieces[chosen])


class GenreJudge:
    """A trained classifier.

    Attributes:
        network: Makes logits of phrases.
        domains: In the order of the logits.
    """

    def __init__(self, network: nn.Module, domains: Sequence[str]) -> None:
        self.network = network.eval()
        self.domains = domains
        self._accuracies: dict[tuple[str, str], float] = {}

    @torch.no_grad()
    def shares(self, phrases: Phrases) -> Array:
        """``(phrases, genres)``: probability that each belongs to each."""
        if not len(phrases.rolls):
            return np.zeros((0, len(self.domains)))
        batches = torch.split(torch.from_numpy(phrases.rolls), 256)
        logits = torch.cat([self.network(_input(batch)) for batch in batches])
        shares: Array = logits.softmax(dim=1).numpy()
        return shares

    def calls(self, shares: Array, domain: str) -> Array:
        """``(phrases,)``: which of them it calls ``domain``'s, the likeliest of all genres."""
        return np.asarray(shares.argmax(axis=1) == self.domains.index(domain))

    def accuracy(self, pieces: Translations[Piece], source: Array) -> float:
        """On real phrases, the mean of both genres; of the first pieces of each direction.

        Those are the test set's. What comes later may be compared with training pieces.

        Args:
            pieces: Whose targets it is tried on.
            source: Which of the inputs' phrases it calls the source's.
        """
        direction = (pieces.source, pieces.target)
        if direction not in self._accuracies:
            targets = Phrases.of(pieces.targets)
            real = self.calls(self.shares(targets.only(targets.heard)), pieces.target)
            self._accuracies[direction] = _accuracy(source, real)
        return self._accuracies[direction]


def fit_genre(genres: Mapping[str, Sequence[Piece]], seed: int, cache: Path) -> GenreJudge:
    """Train the classifier on real pieces, or take it from ``cache`` where it was trained before.

    Phrases of all genres come equally often, transposed alike and with noise; of the states that
    training passes through, the one that does best on pieces held out is kept.
    """
    collections = {domain: Phrases.of(pieces) for domain, pieces in genres.items()}
    collections = {domain: of.only(of.heard) for domain, of in collections.items()}
    digest = hashlib.sha256(str((seed, STEPS, BATCH, "argmax")).encode())
    for phrases in collections.values():
        digest.update(np.packbits(phrases.rolls).tobytes())
    network = genre_network(len(collections))

    def train() -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _train(initialize(network), collections, np.random.default_rng(seed))

    trained_once(network, train, cache, digest.hexdigest()[:16])
    return GenreJudge(network, list(collections))


def _train(
    network: nn.Module, collections: Mapping[str, Phrases], rng: np.random.Generator
) -> None:
    split = [_held_out(phrases, rng) for phrases in collections.values()]
    domains, share = list(collections), BATCH // len(collections)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    best, kept = -1.0, network.state_dict()
    labels = torch.arange(len(domains)).repeat_interleave(share)
    for step in range(1, STEPS + 1):
        network.train()
        drawn = [
            _transposed(train.rolls[rng.integers(len(train.rolls), size=share)], rng)
            for train, _ in split
        ]
        phrases = _input(torch.from_numpy(np.concatenate(drawn)))
        logits = network(phrases + NOISE * torch.randn_like(phrases))
        optimizer.zero_grad()
        loss: Any = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        if step % CHECK_EVERY == 0:
            judge = GenreJudge(network, domains)
            right = [
                float(judge.calls(judge.shares(held), domain).mean())
                for (_, held), domain in zip(split, domains, strict=True)
            ]
            if np.mean(right) > best:
                best = float(np.mean(right))
                kept = {name: value.clone() for name, value in network.state_dict().items()}
            if best == 1:
                break  # nothing can be kept in place of it
    network.load_state_dict(kept)


def _held_out(phrases: Phrases, rng: np.random.Generator) -> tuple[Phrases, Phrases]:
    """Phrases to train on and others to choose by, of different pieces where there are two."""
    pieces = rng.permutation(np.unique(phrases.pieces))
    chosen = np.isin(phrases.pieces, pieces[: max(round(len(pieces) * HELD_OUT), 1)])
    if chosen.all():
        return phrases, phrases
    return phrases.only(~chosen), phrases.only(chosen)


def _transposed(rolls: Array, rng: np.random.Generator) -> Array:
    """Each phrase by -5 to 6 semitones: what falls off one end was silent in nearly all music."""
    by = rng.integers(-5, 7, size=len(rolls)).tolist()
    return np.stack([transpose(roll, semitones) for roll, semitones in zip(rolls, by, strict=True)])


def _input(rolls: Tensor) -> Tensor:
    """0 and 1 as -1 and 1."""
    return rolls[:, None].float() * 2 - 1


def score_genre(pieces: Translations[Piece], judge: GenreJudge) -> dict[str, float | list[float]]:
    """What the classifier makes of the translations.

    ``genre_accuracy``: on real test phrases, mean of both genres. ``called_target``: share of
    the translated pieces that it calls the target's genre, by the sums over their phrases, with
    the ends of a 95 % bootstrap interval over pieces. ``transfer_strength``: the paper's S, the
    mean fall of the share of phrases called the source's genre, from the source to its
    translation and from the cycled piece to the translation (without a way back: the former); its
    mean over both directions is S_tot. ``transfer_strength_p``: the same with probabilities.
    ``transfer_strength_held``, ``called_target_held``: the same where no phrase of a piece counts
    as transferred that is not made like the target's (``texture.held``), whatever it is called.

    Silence is of no genre: silent phrases of real pieces are left out, and where a translation has
    fewer that sound than its source, the missing ones count as not transferred.
    """
    inputs, outputs = Phrases.of(pieces.inputs), Phrases.of(pieces.outputs)
    heard, known = outputs.only(outputs.heard), inputs.only(inputs.heard)
    before, made = judge.shares(known), judge.shares(heard)
    back = before
    if pieces.cycled:
        cycled = Phrases.of(pieces.cycled)
        back = judge.shares(cycled.only(cycled.heard))
    count = len(pieces.inputs)
    due = np.maximum(known.by_piece(count), heard.by_piece(count))
    sums = np.stack([heard.by_piece(count, share) for share in made.T])
    verdicts = _likeliest(sums, judge.domains.index(pieces.target), due - heard.by_piece(count))
    low, high = _interval(verdicts)
    like = held(pieces.outputs, pieces.targets)
    missed = np.ones(due.sum() - len(made))
    was, returned, left = (judge.calls(of, pieces.source) for of in (before, back, made))
    source = judge.domains.index(pieces.source)
    return {
        "genre_accuracy": judge.accuracy(pieces, was),
        "called_target": verdicts.astype(float).tolist(),
        "called_target_low": low,
        "called_target_high": high,
        "transfer_strength": _strength(was, returned, np.append(left, missed)),
        "transfer_strength_p": _strength(
            before[:, source], back[:, source], np.append(made[:, source], missed)
        ),
        "transfer_strength_held": _strength(
            was, returned, np.append(left | ~like[heard.pieces], missed)
        ),
        "called_target_held": (verdicts & like).astype(float).tolist(),
    }


def _likeliest(sums: Array, genre: int, missed: Array) -> Array:
    """``(pieces,)``: whether a genre has more of each than any other with the missing phrases.

    Args:
        sums: ``(genres, pieces)``, of phrases' shares.
        genre: Which.
        missed: Phrases of each piece that are missing.
    """
    others = np.delete(sums, genre, axis=0)
    return np.asarray(sums[genre] > others.max(axis=0) + missed)


def _accuracy(source: Array, target: Array) -> float:
    accuracy = float((source.mean() + target.mean()) / 2)
    if accuracy < TRUSTED:
        warnings.warn(
            f"the genre classifier is right on {accuracy:.0%} of real test phrases only, less than "
            f"{TRUSTED:.0%}: called_target and transfer_strength mean little",
            stacklevel=2,
        )
    return accuracy


def _strength(source: Array, back: Array, left: Array) -> float:
    """Of the shares called the source's genre; a cycled collection that is all silent has none."""
    return float((source.mean() + (back.mean() if len(back) else 0.0)) / 2 - left.mean())


def _interval(verdicts: Array) -> tuple[float, float]:
    """Ends of a 95 % interval of the mean, by resampling pieces."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(verdicts), size=(RESAMPLES, len(verdicts)))
    low, high = np.quantile(verdicts[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


GENRE = Metric(
    "genre",
    {
        "transfer_strength": True,
        "transfer_strength_p": True,
        "called_target": True,
        "called_target_low": True,
        "called_target_high": True,
        "transfer_strength_held": True,
        "called_target_held": True,
        "genre_accuracy": True,
    },
    score_genre,
    fit=fit_genre,
    protocol=(
        f"transfer_strength, called_target, genre_accuracy: a classifier of phrases of four bars "
        f"(Brunner et al.), at most {STEPS} steps on the training sets, seeded; accuracy on test "
        f"phrases; *_held: of pieces alone that like_target counts"
    ),
)
