"""Which figure decides between two results; needs no torch."""

from collections.abc import Iterable

PATCH_DISTANCE = "patch_distance"  # a figure that every modality has, without pairs


def deciding(asked: str, figures: Iterable[str]) -> list[str]:
    """Figures that may decide, the first that is there does.

    Args:
        asked: ``train.best.metric``, empty where a recipe leaves it open.
        figures: Those that say which way is better, in the order of their metrics.
    """
    return [asked] if asked else [*list(figures)[:1], PATCH_DISTANCE]
