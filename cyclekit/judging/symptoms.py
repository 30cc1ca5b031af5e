"""What can be seen of a training that goes wrong: which figure shows it, from where on, what helps.

``SYMPTOMS`` is the whole of it; ``judging/checkup.py`` takes the figures. Thresholds lie between
runs that went well and runs that did not; ``docs/how-to/troubles.md`` has the figures of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Figures = Mapping[str, float]

OUTPUTS_APART = "outputs_apart"
CHANGED = "changed"
AS_SOURCE = "as_source"
DOMAINS_APART = "domains_apart"
CORRELATION = "correlation"
EXTENT = "extent"
RETURN_ERROR = "return_error"
NOISE_GAIN = "noise_gain"
UNDECIDED = "undecided"
HELD_OUT = "held_out"

MEASURED = {
    OUTPUTS_APART: "mean distance (L1) of translations from each other, as a share of that of "
    "real samples: the source's or the target's, whichever are nearer to each other",
    CHANGED: "mean distance of translations from what they were made of, as a share of that of the "
    "source's samples from the target's",
    AS_SOURCE: "a / (a + b): a is the distance of the translations' details from the target's, b "
    "from the source's (`patch_distance`); 0: as the target's, 1: as the source's",
    DOMAINS_APART: "distance of the source's details from the target's, as a multiple of that of "
    "two halves of the target",
    CORRELATION: "of a translation's values with its source's, each channel less its mean",
    EXTENT: "largest magnitude of a translation's values, as a share of that of real samples of "
    "either domain",
    RETURN_ERROR: "mean distance of what comes back from what went there, as a share of that of "
    "the source's samples from each other",
    NOISE_GAIN: "by how much the return error grows with noise on the translations, as a multiple "
    "of the noise, which is a twentieth of their deviation",
    UNDECIDED: "a discriminator's loss since the last look, as a share of what it is where it can "
    "only guess",
    HELD_OUT: "how much more a discriminator pays for real samples that it has not learned from "
    "than for those it has, as a share of the way from certainty to certain error",
}
"""How each figure is measured."""


@dataclass(frozen=True)
class Condition:
    """What a figure has to be.

    Attributes:
        figure: One of ``MEASURED``.
        side: Of the threshold.
        threshold: In the figure's unit.
    """

    figure: str
    side: Literal["below", "above"]
    threshold: float

    def holds(self, figures: Figures) -> bool:
        """Whether the figure is there, and on that side."""
        if self.figure not in figures:
            return False
        value = figures[self.figure]
        return value < self.threshold if self.side == "below" else value > self.threshold


@dataclass(frozen=True)
class Symptom:
    """One way in which training goes wrong.

    Attributes:
        name: In the records.
        conditions: All of them hold where it is there.
        says: What is the matter with ``{where}``, a direction or a discriminator.
        helps: What to do.
    """

    name: str
    conditions: Sequence[Condition]
    says: str
    helps: str

    def is_found(self, figures: Figures) -> bool:
        """Whether the figures show it."""
        return all(condition.holds(figures) for condition in self.conditions)


SYMPTOMS = (
    Symptom(
        "blown up",
        [Condition(EXTENT, "above", 5.0)],
        "{where}: values of translations lie far outside of what samples have: training is coming "
        "apart",
        "lower train.learning_rate, or set train.clip = 1",
    ),
    Symptom(
        "collapse",
        [Condition(OUTPUTS_APART, "below", 0.2)],
        "{where}: translations are nearly alike, whatever goes in",
        "lower train.learning_rate, or raise what ties a translation to its source: "
        "objective.cycle.weight, objective.self_regularization.weight",
    ),
    Symptom(
        "identity",
        [Condition(CHANGED, "below", 0.005)],
        "{where}: translations are their sources, next to unchanged",
        "lower objective.identity.weight, objective.self_regularization.weight and "
        "objective.cycle.weight; if discriminators have learned nothing yet, train longer",
    ),
    Symptom(
        "half conversion",
        [
            Condition(AS_SOURCE, "above", 0.7),
            Condition(DOMAINS_APART, "above", 2.0),
            Condition(CHANGED, "above", 0.005),
        ],
        "{where}: details of translations are still nearer the source's than the target's",
        "train longer, or lower objective.cycle.weight and objective.self_regularization.weight",
    ),
    Symptom(
        "inverted",
        [Condition(CORRELATION, "below", -0.5)],
        "{where}: what is light has become dark, and the other way round (for other samples: what "
        "is high has become low)",
        "unless the target is the source's negative: objective.identity.weight, or "
        "objective.self_regularization.weight of .5 or more; another train.seed may do as well",
    ),
    Symptom(
        "hidden message",
        [Condition(RETURN_ERROR, "below", 0.1), Condition(NOISE_GAIN, "above", 2.0)],
        "{where}: what comes back is right only as long as nothing disturbs the translation, which "
        "therefore hides its source in what nobody sees",
        "objective.cycle.noise = 0.1, objective.cycle.back_translation = true, or a lower "
        "objective.cycle.weight",
    ),
    Symptom(
        "discriminator won",
        [Condition(UNDECIDED, "below", 0.1)],
        "{where} tells real from made nearly without error, and has for long: generators have "
        "little to learn from it",
        "lower train.discriminator_learning_rate or objective.cycle.weight, or set "
        "objective.input_noise.sigma = 0.05, objective.augmentation.translation = 0.125",
    ),
    Symptom(
        "discriminator lost",
        [Condition(UNDECIDED, "above", 1.3)],
        "{where} tells real from made worse than by chance, and has for long: generators learn "
        "nothing from it",
        "raise train.discriminator_learning_rate or discriminator.channels, or lower "
        "objective.input_noise.sigma",
    ),
    Symptom(
        "learned by heart",
        [Condition(HELD_OUT, "above", 0.5)],
        "{where} knows its training files by heart: it takes real ones that it has not seen for "
        "made",
        "fewer train.steps, more files, objective.augmentation.translation = 0.125, or begin with "
        "trained networks (--init)",
    ),
)
"""In this order they are said."""


def found(figures: Mapping[str, Figures]) -> list[tuple[Symptom, str]]:
    """The symptoms that figures show, each with the direction or discriminator that shows it."""
    return [
        (symptom, where)
        for symptom in SYMPTOMS
        for where, of in figures.items()
        if symptom.is_found(of)
    ]
