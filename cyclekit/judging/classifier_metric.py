"""How often is a translation taken for its target's? For any modality.

A classifier two-sample test (Lopez-Paz and Oquab, arXiv 1610.06545), trained on real items alone.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cyclekit.contract.metrics import Estimate, Metric, Translations
from cyclekit.engine.model import Model
from cyclekit.judging import classifier
from cyclekit.judging.classifier import Classifier, build_network, has_windows
from cyclekit.judging.evidence import Evidence
from cyclekit.judging.kernel import kernel_estimate
from cyclekit.judging.trained_once import trained_once

FEWEST = 2  # items, without which nothing is known about a distribution
PROTOCOL = (
    "STEPS",
    "BATCH",
    "LEAST",
    "POSITIONS_PER_STEP",
    "LARGEST",
    "WINDOWS_PER_TRAINING_ITEM",
    "MEMORY",
    "WIDTHS",
    "RATE",
)


def classifier_metric(model: Model, evidence: Evidence) -> Metric:
    """``taken_for_target``: share of the items that the classifier takes for the target's.

    ``classifier_accuracy`` is its own, on real test items, the mean of all domains.
    ``kid_classifier``, with the ends of a 95 % bootstrap interval over items: the kernel distance
    to the target's test items by the features that the classifier decides by, none of which any
    discriminator has seen. Where domains are views of the same files, by their attributes, each
    attribute has a classifier.

    Args:
        model: Whose codec makes windows of items.
        evidence: The files that it is trained and tried on.
    """

    def fit(items: Mapping[str, Sequence[Any]], seed: int, cache: Path) -> dict[str, Classifier]:
        ends = [direction.ends for direction in model.objective.directions]
        judges: dict[str, Classifier] = {}
        for domains in groups(list(items), ends):
            network = build_network(model.objective.specs[domains[0]], len(domains), seed)
            judge = Classifier(model.codec, network, domains, seed)
            name = _digest(model, {domain: evidence.train[domain] for domain in domains}, seed)
            trained_once(judge.network, partial(judge.train, items), cache, name)
            judge.examine(evidence.test_items)
            judges |= dict.fromkeys(domains, judge)
        return judges

    def score(
        shown: Translations[Any], judges: dict[str, Classifier]
    ) -> dict[str, float | list[float] | Estimate]:
        judge = judges[shown.target]
        made, real = judge.features(shown.outputs), judge.features(shown.targets)
        figures: dict[str, float | list[float] | Estimate] = {
            "taken_for_target": judge.verdicts(made, shown.target)
        }
        made, real = (some[has_windows(some)] for some in (made, real))
        if min(len(made), len(real)) >= FEWEST:
            figures["kid_classifier"] = kernel_estimate(made, real, model.recipe.train.seed)
        return figures | {"classifier_accuracy": judge.accuracy}

    return Metric(
        "domain_classifier",
        {"taken_for_target": True, "kid_classifier": False},
        score,
        fit=fit,
        protocol=(
            f"taken_for_target: share of the items that a convolutional classifier takes for the "
            f"target's, by the mean over {classifier.WINDOWS_PER_JUDGED_ITEM} windows of each; "
            f"trained {classifier.STEPS} steps on the training sets, seeded. classifier_accuracy: "
            f"its own on real test items. kid_classifier: outputs against all test items of the "
            f"target; its {classifier.WIDTHS[-1]} pooled features, the mean over the same windows, "
            f"kernel (x.y/d + 1)^3, unbiased; its interval by resampling items"
        ),
    )


def groups(domains: Sequence[str], ends: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Domains between which something is translated, directly or through others: a classifier
    tells those of one group apart."""
    group_of = {domain: [domain] for domain in domains}
    for source, target in ends:
        one, other = group_of[source], group_of[target]
        if one is not other:
            joined = [domain for domain in domains if domain in (*one, *other)]
            group_of |= dict.fromkeys(joined, joined)
    found: list[list[str]] = []
    for domain in domains:
        if group_of[domain] not in found:
            found.append(group_of[domain])
    return found


def _digest(model: Model, files: Mapping[str, Sequence[Path]], seed: int) -> str:
    """What a trained classifier depends on, in 16 letters."""
    about = {
        "protocol": [seed, *(getattr(classifier, name) for name in PROTOCOL)],
        "codec": model.recipe.model_dump(mode="json")["codec"],
        "files": {
            name: [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in some]
            for name, some in files.items()
        },
    }
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
