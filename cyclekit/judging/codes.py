"""What latent codes are worth: how far answers lie apart, and how much of a sample is in its code.

These figures need the networks themselves, not only what they wrote: so they are no metric.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from cyclekit.contract.declarations import Direction
from cyclekit.data.encoded import encode_file
from cyclekit.engine.model import Model
from cyclekit.engine.objective import Objective
from cyclekit.engine.translator import Translator
from cyclekit.judging.figures import Figures
from cyclekit.randomness import torch_generator

MOST_ITEMS = 16  # test items of each domain
ANSWERS = 4  # to each of them

DIVERSITY, USED = "diversity", "code_used"
OWN, RANDOM = "return_own_code", "return_random_code"
HIGHER_IS_BETTER = {USED: True, OWN: False}
"""How far answers should lie apart, the data decide: neither more nor less is better."""
PROTOCOL = (
    f"{DIVERSITY}: mean distance (L1) of {ANSWERS} answers to one test item from each other; {OWN} "
    f"and {RANDOM}: L1 of the target's test items, translated there and back with the code that is "
    f"found in them, or with one that is drawn; all as shares of the range, or of the deviation "
    f"where there is none. {USED}: share of the variance of drawn codes that is found again in "
    f"what was made with them, mean over a code's numbers; {MOST_ITEMS} items at most"
)


def code_figures(
    model: Model, translator: Translator, direction: Direction, files: dict[str, list[Path]]
) -> Figures:
    """Figures of a direction whose codes are free; nothing of others, nor of attributes.

    Args:
        model: Codec and objective.
        translator: Translates.
        direction: Which way.
        files: Readable test files of each domain.
    """
    size, seed = model.objective.code(direction), model.recipe.train.seed
    if (
        size is None
        or model.objective.attributes
        or not all(files[domain] for domain in direction.ends)
    ):
        return {}

    def drawn(count: int, *words: object) -> Tensor:
        rng = torch_generator("measured codes", seed, direction.name, *map(str, words))
        return torch.randn(count, size, generator=rng)

    a, b = (_seen(model, files[domain], domain) for domain in direction.ends)
    unit = _unit(model, b, direction.target)
    codes = [drawn(len(a), number) for number in range(ANSWERS)]
    answers = [translator.tensors(a, direction, list(code)) for code in codes]
    figures = {DIVERSITY: _apart(answers) / unit}
    if not _finds_codes(model, direction):
        return figures
    found = [torch.stack(translator.codes_in(made, direction)) for made in answers]
    figures[USED] = share_found(torch.cat(codes), torch.cat(found))
    back = model.reverse(direction)
    if back is None:
        return figures
    way_back = model.objective.code(back)
    means = None if way_back is None else [torch.zeros(way_back)] * len(b)
    sources = translator.tensors(b, back, means)
    for name, own in (
        (OWN, translator.codes_in(b, direction)),
        (RANDOM, list(drawn(len(b), "back"))),
    ):
        returned = translator.tensors(sources, direction, own)
        figures[name] = _distance(returned, b) / unit
    return figures


def share_found(drawn: Tensor, found: Tensor) -> float:
    """The share of drawn codes' variance that is found again: 1 - error / variance, of each number
    at least 0, the mean over a code's.

    Args:
        drawn: ``(codes, size)``.
        found: The same shape.
    """
    error = (found - drawn).square().sum(0)
    variance = (drawn - drawn.mean(0)).square().sum(0).clamp_min(1e-12)
    return float((1 - error / variance).clamp_min(0).mean())


def _finds_codes(model: Model, direction: Direction) -> bool:
    able = type(model.objective).code_of is not Objective.code_of
    return able and not model.lacking.intersection(direction.coding)


def _seen(model: Model, files: Sequence[Path], domain: str) -> list[Tensor]:
    """Test items as networks see them, spread over all where there are many."""
    count, codec = min(len(files), MOST_ITEMS), model.codec
    chosen = (files[place * len(files) // count] for place in range(count))
    samples = (encode_file(codec, file, domain) for file in chosen)
    return [codec.to_network(sample.tensor[None], domain)[0].float() for sample in samples]


def _unit(model: Model, tensors: Sequence[Tensor], domain: str) -> float:
    """What distances are shares of."""
    bounds = model.objective.specs[domain].range
    if bounds is not None:
        return float(bounds[1] - bounds[0])
    values = torch.cat([tensor.flatten() for tensor in tensors])
    return float(values[~values.isnan()].std()) or 1.0


def _apart(answers: Sequence[Sequence[Tensor]]) -> float:
    """The mean distance of answers to one item from each other."""
    distances = list(_pairs(answers))
    return sum(distances) / len(distances)


def _pairs(answers: Sequence[Sequence[Tensor]]) -> Iterator[float]:
    for number, one in enumerate(answers):
        for other in answers[number + 1 :]:
            yield _distance(one, other)


def _distance(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """L1 of tensors from their counterparts, over what is known of both; the mean of all items."""
    each = [(x - y).abs().nanmean() for x, y in zip(some, others, strict=True)]
    return float(torch.stack(each).mean())
