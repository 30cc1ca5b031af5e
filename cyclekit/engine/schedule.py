"""The learning rate over a run."""


def linear_decay(step: int, steps: int, decay_from: float) -> float:
    """Factor on the learning rate: 1, then falling linearly to zero just after the last step.

    The last step still learns. (The widely used implementation spends its last epoch at rate zero.)

    Args:
        step: Steps done so far, ``0 <= step < steps``.
        steps: Steps in all.
        decay_from: Share of the steps after which the rate falls.
    """
    start = decay_from * steps
    return 1.0 if step <= start else (steps - step) / (steps - start)
