"""A figure of all directions as a table of sources and targets; needs no torch."""

from collections.abc import Mapping

MEAN = "mean"
"""Row and column of means, beside domains; no domain is called so where there are several."""


def by_ends(
    report: Mapping[str, Mapping[str, float]], ways: Mapping[str, tuple[str, str]], name: str
) -> dict[str, dict[str, float]]:
    """A figure by source and target, with means of rows, of columns and of all under ``MEAN``,
    whose row has all columns in their order.

    Args:
        report: Figures by direction.
        ways: Source and target of each direction.
        name: Of the figure.
    """
    found = {ends: report[way][name] for way, ends in ways.items() if name in report.get(way, {})}
    if not found:
        return {}
    sources = list(dict.fromkeys(source for source, _ in found))
    every = dict.fromkeys(target for _, target in found)
    targets = [
        *(name for name in sources if name in every),
        *(name for name in every if name not in sources),
    ]
    table: dict[str, dict[str, float]] = {source: {} for source in (*sources, MEAN)}
    for source in (*sources, MEAN):
        for target in (*targets, MEAN):
            values = [
                value
                for (one, other), value in found.items()
                if source in (one, MEAN) and target in (other, MEAN)
            ]
            if values:
                table[source][target] = sum(values) / len(values)
    return table
