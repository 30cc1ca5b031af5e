"""What a training would find in a folder: how much, what of it can be used, what is there twice."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import mean, median
from typing import Any

import torch

from cyclekit.console import Console
from cyclekit.contract.modality import Modality
from cyclekit.data.attributed import find_files
from cyclekit.data.beginnings import EMPTY
from cyclekit.data.doubts import scarcities
from cyclekit.data.encoded import MOST_BAD, Tracker, list_bad, remarks_on
from cyclekit.data.folders import Collections
from cyclekit.data.generated import is_made
from cyclekit.data.pairing import DOUBTED, FEWEST, MAX_PAIRS, likeness
from cyclekit.datasets.decoding import DecodedFile, Group, Listed, decode_files
from cyclekit.datasets.duplicates import Duplicates, find_duplicates
from cyclekit.datasets.fingerprints import Peek, peek_all
from cyclekit.engine.model import build_codec, domains_of, table_of
from cyclekit.errors import BadSample, UsageError, blame_plugin
from cyclekit.recipe.settings import Recipe

LOOKED_INTO = 2000  # files that are decoded where there are more
PATIENCE = 30.0  # seconds after which fewer have to do then
UNBALANCED = 3.0  # times as many training files in one domain as in another


@dataclass
class Inspection:
    """What was found.

    Attributes:
        groups: For each domain and split: counts and sizes.
        others: How many files of each kind were passed over.
        decoded: How many files were decoded.
        of: How many there are.
        shapes: Tensors' shapes with their numbers, the most frequent first.
        bad: Files that cannot be used.
        pairs: How many test files are the same thing, seen from both sides.
        duplicates: Files that are there again.
        notes: What one should know.
        warnings: What is not as it should be, though training would go on.
        refusals: Why a training would not start.
    """

    groups: list[dict[str, Any]] = field(default_factory=list)
    others: Mapping[str, int] = field(default_factory=dict)
    decoded: int = 0
    of: int = 0
    shapes: list[tuple[tuple[int, ...], int]] = field(default_factory=list)
    bad: list[BadSample] = field(default_factory=list)
    pairs: int = 0
    duplicates: list[Duplicates] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "groups": self.groups,
            "passed_over": dict(self.others),
            "decoded": self.decoded,
            "files": self.of,
            "shapes": [{"shape": list(shape), "files": count} for shape, count in self.shapes],
            "bad": [{"file": str(error.path), "why": error.why} for error in self.bad],
            "pairs": self.pairs,
            "duplicates": [
                {
                    "kind": found.kind,
                    "in": found.one.title,
                    "again_in": found.other.title,
                    "files": found.count,
                    "examples": [list(example) for example in found.examples],
                }
                for found in self.duplicates
            ],
            "notes": self.notes,
            "warnings": self.warnings,
            "refusals": self.refusals,
        }


def inspect(
    modality: Modality, recipe: Recipe, console: Console, everything: bool = False
) -> Inspection:
    """Look at the data that a recipe names, as training would read it.

    Args:
        modality: Reads the files.
        recipe: With the data's folders.
        console: Sees the progress.
        everything: Decode every file, however many there are.

    Raises:
        UsageError: If the data is made and not found.
        DataError: If there is nothing to look at: a folder is missing or has no samples.
        PluginError: If the codec fails with every file in one way.
    """
    if is_made(recipe.data):
        raise UsageError("The recipe's data is made, not found: there is nothing to look at.")
    codec = build_codec(modality, recipe)
    domains = domains_of(modality, recipe)
    table = table_of(modality, recipe)
    seed = recipe.train.seed
    collections = find_files(recipe.data, domains, table, codec, seed=seed)
    if table.names:  # each attribute's two domains have the same files
        first = dict(list(collections.domains.items())[:2])
        collections = replace(collections, domains=first)
    listed = Listed.of(collections)
    count = len(listed.files)
    seen = peek_all(listed.files)
    peeks = list(console.track(seen, count, "looking at beginnings and sizes"))
    chosen = listed.sample(count if everything else LOOKED_INTO)
    patience = PATIENCE if count > LOOKED_INTO and not everything else math.inf
    batched = recipe.train.batch_size > 1
    looks, bad = decode_files(codec, listed, chosen, _tracker(console), patience, batched)
    looked = {*(look.number for look in looks), *bad}
    blame_plugin(list(bad.values()), len(looked))
    bad |= _empty(listed, peeks)
    found = Inspection(others=collections.others, decoded=len(looked), of=count)
    found.groups = [_described(group, peeks) for group in listed.groups]
    found.bad = [bad[number] for number in sorted(bad)]
    found.shapes = Counter(look.shape for look in looks).most_common()
    found.notes = [*collections.remarks(), *_remarks(codec, listed, looks)]
    found.warnings = [*collections.warnings(), *_unlike(listed, peeks, looks, looked)]
    found.warnings += [*_unbalanced(listed), *_scarce(listed, looks)]
    found.refusals = [*_too_bad(listed, bad, looked), *_sizes(listed, looks)]
    _pairs(found, listed, looks, collections)
    found.duplicates = find_duplicates(listed, peeks, looks, collections)
    found.warnings += [str(twins) for twins in found.duplicates if twins.matters]
    found.notes += [str(twins) for twins in found.duplicates if not twins.matters]
    return found


def _tracker(console: Console) -> Tracker:
    return lambda things, total: console.track(things, total, "looking into files")


def _described(group: Group, peeks: Sequence[Peek]) -> dict[str, Any]:
    sizes = [peek.size or 0 for peek in peeks[group.first : group.first + len(group.files)]]
    return {
        "domain": group.domain,
        "split": group.split,
        "files": len(sizes),
        "bytes": sum(sizes),
        "smallest": min(sizes),
        "median": int(median(sizes)),
        "largest": max(sizes),
    }


def _empty(listed: Listed, peeks: Sequence[Peek]) -> dict[int, BadSample]:
    """What cannot be used as one sees without decoding it."""
    return {
        number: BadSample(listed.files[number], EMPTY if peek.size == 0 else "cannot be opened")
        for number, peek in enumerate(peeks)
        if not peek.size
    }


def _unlike(
    listed: Listed, peeks: Sequence[Peek], looks: Sequence[DecodedFile], looked: set[int]
) -> Iterable[str]:
    """Files that were not decoded, and begin as no file does that was."""
    usual = {peeks[look.number].seems for look in looks}
    odd: dict[str, list[str]] = defaultdict(list)
    for number, seen in enumerate(peeks):
        if seen.seems not in usual and seen.size and number not in looked:
            odd[seen.seems].append(listed.files[number])
    for seems, files in odd.items():
        yield f"begins as no file does that could be used: {files[0]}, {seems} ({len(files)} such)"


def _too_bad(listed: Listed, bad: Mapping[int, BadSample], looked: set[int]) -> Iterable[str]:
    """Domains of which training would refuse to leave out as much."""
    looked = looked | {*bad}
    for group in listed.groups:
        numbers = range(group.first, group.first + len(group.files))
        seen = [number for number in numbers if number in looked]
        wrong = [bad[number] for number in seen if number in bad]
        if group.split == "train" and len(wrong) > MOST_BAD * len(seen):
            yield (
                f"{len(wrong)} of {len(seen)} files of {group.title} that were looked into cannot "
                f"be used, which is more than a fifth: {list_bad(wrong)}"
            )


def _sizes(listed: Listed, looks: Sequence[DecodedFile]) -> Iterable[str]:
    """Windows of which no batch could be made; none are known where batches are of one."""
    for domain in dict.fromkeys(group.domain for group in listed.groups):
        shapes = {
            shape: look.number
            for look in looks
            for shape in look.windows
            if listed.group(look.number).domain == domain
            and listed.group(look.number).split == "train"
        }
        if len(shapes) > 1:
            (one, first), (other, last) = list(shapes.items())[:2]
            yield (
                f"{listed.files[last]} gives windows of {sized(other)}, {listed.files[first]} of "
                f"{sized(one)}: a batch needs samples of one size. Crop or resize in the codec, or "
                f"set train.batch_size to 1."
            )


def sized(shape: Sequence[int]) -> str:
    """A tensor's shape in words."""
    return " x ".join(map(str, shape))


def _unbalanced(listed: Listed) -> Iterable[str]:
    counts = {group.domain: len(group.files) for group in listed.groups if group.split == "train"}
    for (one, few), (other, many) in combinations(
        sorted(counts.items(), key=lambda named: named[1]), 2
    ):
        if many >= UNBALANCED * few:
            yield (
                f"{other.upper()} has {many / few:.3g} times as many training files as "
                f"{one.upper()}: each of {one.upper()}'s is shown so much more often"
            )


def _scarce(listed: Listed, looks: Sequence[DecodedFile]) -> list[str]:
    """Domains of which there is too little, by the files that were decoded."""
    windows: dict[str, list[int]] = defaultdict(list)
    for look in looks:
        if listed.group(look.number).split == "train":
            windows[listed.group(look.number).domain].append(look.count)
    files = {
        split: {group.domain: len(group.files) for group in listed.groups if group.split == split}
        for split in ("train", "test")
    }
    return scarcities(
        {
            name: round(mean(windows[name]) * count)
            for name, count in files["train"].items()
            if windows[name]
        },
        files["test"],
    )


def _remarks(codec: Any, listed: Listed, looks: Sequence[DecodedFile]) -> list[str]:
    """What the codec says about what it noticed, as before training."""
    facts: dict[str, list[Mapping[str, float]]] = defaultdict(list)
    for look in looks:
        if listed.group(look.number).split == "train":
            facts[listed.group(look.number).domain].append(look.facts)
    return remarks_on(codec, facts)


def _pairs(
    found: Inspection, listed: Listed, looks: Sequence[DecodedFile], collections: Collections
) -> None:
    """Count test files that are the same thing; doubt them where they look like strangers."""
    seen = {listed.files[look.number]: look for look in looks}
    for source, target in combinations(collections.domains, 2):
        pairs = collections.pairs(source, target).values()
        found.pairs += len(pairs)
        both = [
            [seen[str(file)] for file in files]
            for files in pairs
            if all(str(file) in seen for file in files)
        ]
        if both and not collections.parallel and _are_strangers(both[:MAX_PAIRS], listed, looks):
            found.warnings.append(
                f"{len(pairs)} test files have equal names in domains {source} and {target}, but "
                f"those that were looked into are no more alike than any others: training will "
                f"not take them for pairs"
            )


def _are_strangers(
    pairs: Sequence[Sequence[DecodedFile]], listed: Listed, looks: Sequence[DecodedFile]
) -> bool:
    """Whether files are no more like their counterparts than like others."""
    one, other = (list(side) for side in zip(*pairs, strict=True))
    domain = listed.group(other[0].number).domain
    known = {look.number for look in other}
    # Where pairs are few, training files serve as strangers, too.
    strangers = [look for look in looks if listed.group(look.number).domain == domain]
    other += [look for look in strangers if look.number not in known][: MAX_PAIRS - len(other)]
    if math.perm(len(other), len(one)) < FEWEST:
        return False
    a, b = (torch.stack([look.thumbnail for look in side]) for side in (one, other))
    return likeness(a, b) > DOUBTED
