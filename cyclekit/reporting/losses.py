"""What was logged while training: losses, learning rates, speed."""

from collections.abc import Sequence

from cyclekit.reporting.charts import Axes, draw, legend, log_span_of, span_of
from cyclekit.reporting.curves import RATES, Curve, Point, binned, collect, group, smoothed
from cyclekit.reporting.markup import Markup, element, joined
from cyclekit.reporting.reading import RunStory
from cyclekit.runs.records import PER_SECOND, PER_STEP, SECONDS


def losses(story: RunStory) -> Markup:
    """A chart for each group of quantities, on linear axes or on logarithmic ones."""
    logged = collect(story.losses)
    if not logged:
        return Markup("")
    charts = {
        title: [_curve(title, label, logged[name]) for name, label in members.items()]
        for title, members in group(logged, story.sides).items()
    }
    timing = collect(story.timing)
    if speed := timing.get(PER_SECOND):
        charts["Samples a second"] = [smoothed("each domain", speed)]
    if parts := [name for name in timing if name.startswith(SECONDS) and name != PER_STEP]:
        charts["Seconds a step"] = [
            smoothed(name.removeprefix(SECONDS), timing[name]) for name in parts
        ]
    choices = [
        element("input", type="radio", name="scale", id=kind, class_="choice", checked=first)
        for kind, first in (("linear", True), ("log", False))
    ]
    labels = [element("label", kind, for_=kind) for kind in ("linear", "log")]
    return joined(
        element("h2", "Losses"),
        element("p", _explained(list(logged.values())), class_="soft"),
        *choices,
        element("div", *labels, class_="choices"),
        element("div", *(_chart(*chart) for chart in charts.items()), class_="grid"),
    )


def _curve(title: str, label: str, points: Sequence[Point]) -> Curve:
    """Rates are chosen, not measured: there is nothing to smooth."""
    return Curve(label, binned(points)) if title == RATES else smoothed(label, points)


def _chart(title: str, curves: Sequence[Curve]) -> Markup:
    steps = (0.0, max(1.0, *(step for curve in curves for step, _ in curve.points)))
    values = [value for curve in curves for value in curve.values]
    span = log_span_of(values)
    kinds = [("linear", Axes(steps, span_of(values)))]
    if span:
        kinds.append(("log", Axes(steps, span, log=True)))
    pictures = [draw(curves, axes, kind=f"{kind} both" if span else kind) for kind, axes in kinds]
    caption = element("figcaption", title, element("span", class_="at"))
    return element("figure", caption, *pictures, legend(curves), class_="card chart")


def _explained(logged: Sequence[Sequence[Point]]) -> str:
    points = max(len(curve) for curve in logged)
    example = smoothed("", max(logged, key=len))
    if not example.raw:
        return "Values are means over the steps since the line before."
    faint = f"{points:,} lines of the log, in {len(example.raw)} means" * (points > 400)
    return f"Faint: {faint or 'every line of the log'}. Bold: a running mean over a twentieth."
