"""Which of a planner's candidates a machine has time for, and how long each thing may take.

Arithmetic alone; what it goes by is measured in ``preparing/probing.py``.

| rule | why |
| --- | --- |
| the largest candidate whose least steps take at most .85 of the time | the rest is reading, evaluations and saving; `small` needed .85 of a quarter of an hour |
| a tenth of the time at most for reading | the rest of the files is left out: .9 of the steps with some files is better than none with all; no trial |
| an eighth of the time at most for evaluations | `small` takes as much; no trial of more or less |
| evaluated after .6 of the steps and after the last | as `small`, a little later, so that a new plan of fewer steps has both, and none of more has three |
"""  # noqa: E501

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cyclekit.contract.planning import Candidate
from cyclekit.preparing.budget import AIM

TRAINING = 0.85  # share of the time that is left for steps
READING = 0.1  # share of the time for reading training files
EVALUATING, EVALUATIONS = 0.12, 3  # two, and once the baselines
SHOWING, PREVIEWS, MOST_SHOWN = 0.03, 3, 4
THERE_AND_BACK = 0.2  # what an item costs that is judged, in steps of one sample
MIDWAY = 0.6  # share of the steps
FEWEST_BETWEEN = 25  # steps: a machine that was busy while this was planned may do many more
LOGGED, LEAST_LOGGED = 40, 5  # times at least; steps between


@dataclass(frozen=True)
class Measured:
    """What a candidate was measured at.

    Attributes:
        pace: Seconds a step takes.
        elapsed: Seconds that measuring it took.
        item_share: How many training windows a whole item is as large as.
        bytes: Of a file's training windows.
        batch: Samples of each domain in a step.
    """

    pace: float
    elapsed: float = 0.0
    item_share: float = 1.0
    bytes: float = 0.0
    batch: int = 1


@dataclass(frozen=True)
class Choice:
    """A candidate, and what is known of its speed.

    Attributes:
        candidate: Which.
        measured: It, or another one in proportion.
        probed: How many were measured.
    """

    candidate: Candidate
    measured: Measured
    probed: int


def choose(
    candidates: Sequence[Candidate],
    probe: Callable[[Candidate], Measured | None],
    seconds: float,
    limit: float,
) -> Choice | None:
    """The largest candidate that there is time for, else the smallest.

    Args:
        candidates: The largest first.
        probe: Measures one; ``None`` where it cannot be trained here.
        seconds: That there are.
        limit: Seconds for measuring; what was begun is finished. 0: nothing is, and the smallest is
            taken, at the speed that the planner says.

    Returns:
        ``None`` if none can be trained.
    """
    if not limit:
        return Choice(candidates[-1], Measured(candidates[-1].step_seconds or 1.0), 0)
    found: dict[int, Measured | None] = {}
    able = list(range(len(candidates)))
    wanted = _first(candidates, TRAINING * seconds)
    while wanted not in found:
        found[wanted] = probe(candidates[wanted])
        able = [n for n in able if n not in found or found[n]]
        if not able:
            return None
        wanted = _largest(candidates, able, found, TRAINING * seconds)
        if sum(m.elapsed for m in found.values() if m) > limit:
            break
    known = {n: measured for n, measured in found.items() if measured}
    if wanted not in known and known:  # no time is left: one that is known, unless all are too slow
        fitting = [n for n in known if _fits(candidates[n], known[n].pace, TRAINING * seconds)]
        wanted = min(fitting, default=wanted)
    if wanted in known:
        return Choice(candidates[wanted], known[wanted], len(found))
    if not known:
        return None
    nearest = known[min(known, key=lambda n: abs(n - wanted))]
    pace = _estimate(candidates, wanted, known)
    return Choice(candidates[wanted], replace(nearest, pace=pace, elapsed=0.0), len(found))


def _first(candidates: Sequence[Candidate], seconds: float) -> int:
    """What would be right on the machine of the trials; without any, the smallest."""
    last = len(candidates) - 1
    fitting = (
        n
        for n, each in enumerate(candidates)
        if each.step_seconds and _fits(each, each.step_seconds, seconds)
    )
    return next(fitting, last)


def _largest(
    candidates: Sequence[Candidate],
    able: Sequence[int],
    found: dict[int, Measured | None],
    seconds: float,
) -> int:
    """The largest that fits, by what was measured; else the smallest."""
    known = {n: measured for n, measured in found.items() if measured}
    if not known:
        return able[-1]
    paces = {n: _estimate(candidates, n, known) for n in able}
    return next((n for n in able if _fits(candidates[n], paces[n], seconds)), able[-1])


def _estimate(candidates: Sequence[Candidate], place: int, known: dict[int, Measured]) -> float:
    """Seconds of a step, in proportion to the nearest one that was measured."""
    nearest = min(known, key=lambda n: abs(n - place))
    of, to = candidates[nearest].step_seconds, candidates[place].step_seconds
    return known[nearest].pace * (to / of if of and to else 1.0)


def _fits(candidate: Candidate, pace: float, seconds: float) -> bool:
    return candidate.least_steps * pace <= seconds


@dataclass(frozen=True)
class Amount:
    """How much data there is.

    Attributes:
        files: Training files of the domain with most of them.
        domains: How many there are.
        tests: Test files of the domain with most of them.
        read_seconds: That a file takes to be read.
        memory: Bytes for training windows.
    """

    files: int
    domains: int
    tests: int
    read_seconds: float
    memory: int


@dataclass(frozen=True)
class Length:
    """Steps, cadences and limits.

    Attributes:
        table: The recipe's tables.
        reasons: By keys, why.
    """

    table: dict[str, Any]
    reasons: dict[str, str]


def length(measured: Measured, amount: Amount, seconds: float, spent: float) -> Length:
    """How many steps there are and what is done between them, in so much time.

    Args:
        measured: Of the candidate.
        amount: Of data.
        seconds: Of the whole training.
        spent: Of these, so far.
    """
    reasons: dict[str, str] = {}
    read, data = _reading(measured, amount, seconds, reasons)
    item = 2 * THERE_AND_BACK * measured.pace / measured.batch * measured.item_share
    judged = min(int(EVALUATING * seconds / EVALUATIONS / item), amount.tests)
    shown = min(int(SHOWING * seconds / PREVIEWS / item), MOST_SHOWN)
    looking = (EVALUATIONS * judged + PREVIEWS * shown) * item
    steps = max(1, int((AIM * seconds - spent - read - looking) / measured.pace))
    midway = max(FEWEST_BETWEEN, round(MIDWAY * steps))
    train = {
        "steps": steps,
        "log_every": max(LEAST_LOGGED, min(50, steps // LOGGED)),
        "checkpoint_every": midway,
        "preview_every": midway if shown else 0,
        "preview_items": max(shown, 1),
        "evaluate_every": midway if judged else 0,
        "evaluate_items": 0 if judged == amount.tests else judged,
    }
    reasons["train.steps"] = (
        f"a step takes {measured.pace:.2g} s here; planned anew where that changes"
    )
    reasons["train.evaluate_every"] = _evaluated(judged, amount.tests, item)
    return Length({"train": train} | ({"data": data} if data else {}), reasons)


def _reading(
    measured: Measured, amount: Amount, seconds: float, reasons: dict[str, str]
) -> tuple[float, dict[str, Any]]:
    """Seconds of reading, and a limit on files where all are too many."""
    each = max(amount.read_seconds, 1e-6) * amount.domains
    in_time = int(READING * seconds / each)
    in_memory = int(amount.memory / max(measured.bytes * amount.domains, 1))
    most = max(min(in_time, in_memory), 2)
    if most >= amount.files:
        return amount.files * each, {}
    why = f"of {amount.files:,}: " + (
        f"reading takes {amount.read_seconds:.2g} s each, a tenth of the time is for that"
        if in_time <= in_memory
        else "more do not fit in data.memory_mib"
    )
    reasons["data.limit"] = why
    return most * each, {"limit": most}


def _evaluated(judged: int, tests: int, item: float) -> str:
    if not tests:
        return "there are no test files"
    if not judged:
        return f"translating an item there and back takes about {item / 2:.3g} s: too long"
    which = "all" if judged == tests else f"{judged} of {tests}"
    return f"twice, on {which} test files of each domain: at most an eighth of the time"
