"""How many steps a training has, where that may be planned anew on the way."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Planned:
    """From a step on, so many steps in all.

    Attributes:
        step: Steps that were done when this was planned.
        steps: In all, at least as many.
    """

    step: int
    steps: int


class Timeline:
    """Plans, each of which holds from its step to that of the next one.

    A schedule is a function of how much of a training is done. That grows evenly, and a new plan
    spreads what is left over the steps that are left: rates neither jump nor rise again.

    Args:
        steps: In all, by the first plan.
        later: Further plans, in the order of their steps, such as a run has recorded.
    """

    def __init__(self, steps: int, later: Sequence[Planned] = ()) -> None:
        self._plans = [Planned(0, steps)]
        self._done = [0.0]  # share of the training, when each plan begins
        for plan in later:
            self.replan(plan)

    @property
    def last(self) -> Planned:
        """The newest plan, which may begin later than where training is."""
        return self._plans[-1]

    def replan(self, plan: Planned) -> None:
        """Add a plan.

        Raises:
            ValueError: If it begins before the newest one, or after its own end.
        """
        if not self.last.step <= plan.step <= plan.steps:
            raise ValueError(f"{plan} cannot follow {self.last}")
        done = self._share(plan.step, len(self._plans) - 1)
        self._plans.append(plan)
        self._done.append(done)

    def steps(self, step: int) -> int:
        """Steps in all, by the plan that holds when ``step`` steps are done."""
        return self._plans[self._number(step)].steps

    def place(self, step: int) -> float:
        """Where the step after ``step`` others would be in a training of the first plan's steps;
        as long as that plan holds, ``step``."""
        number = self._number(step)
        if number == 0:
            return step
        return self._share(step, number) * self._plans[0].steps

    def _number(self, step: int) -> int:
        return max(n for n, plan in enumerate(self._plans) if plan.step <= step)

    def _share(self, step: int, number: int) -> float:
        """How much of the training is done, by one of the plans."""
        plan, done = self._plans[number], self._done[number]
        left = plan.steps - plan.step
        return done + (1 - done) * min(step - plan.step, left) / left if left else 1.0
