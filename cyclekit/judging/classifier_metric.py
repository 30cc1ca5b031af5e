"""How often is a translation taken for its target's? For any modality.

A classifier two-sample test (Lopez-Paz and Oquab, arXiv 1610.06545), trained on real items alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cyclekit.contract.metrics import Metric, Translations
from cyclekit.engine.model import Model
from cyclekit.judging import classifier
from cyclekit.judging.classifier import Classifier, build_network
from cyclekit.judging.evidence import Evidence
from cyclekit.judging.trained_once import trained_once

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

    Args:
        model: Whose codec makes windows of items.
        evidence: The files that it is trained and tried on.
    """

    def fit(items: Mapping[str, Sequence[Any]], seed: int, cache: Path) -> Classifier:
        domains = list(items)
        network = build_network(model.objective.specs[domains[0]], len(domains), seed)
        judge = Classifier(model.codec, network, domains, seed)
        name = _digest(model, evidence.train, seed)
        trained_once(judge.network, lambda: judge.train(items), cache, name)
        judge.examine(evidence.test_items)
        return judge

    def score(shown: Translations[Any], judge: Classifier) -> dict[str, float | list[float]]:
        return {
            "taken_for_target": judge.verdicts(shown.outputs, shown.target),
            "classifier_accuracy": judge.accuracy,
        }

    return Metric(
        "domain_classifier",
        {"taken_for_target": True},
        score,
        fit=fit,
        protocol=(
            f"taken_for_target: share of the items that a convolutional classifier takes for the "
            f"target's, by the mean over {classifier.WINDOWS_PER_JUDGED_ITEM} windows of each; "
            f"trained {classifier.STEPS} steps on the training sets, seeded. classifier_accuracy: "
            f"its own on real test items"
        ),
    )


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
