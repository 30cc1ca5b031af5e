"""Line charts as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cyclekit.reporting.curves import Curve, Point
from cyclekit.reporting.markup import Markup, element

WIDTH, HEIGHT = 340, 180
LEFT, RIGHT, TOP, BOTTOM = 48, 326, 8, 158
COLOURS = 6
NAMED_TICKS = 8  # more decades than that are named every second, third, ...


@dataclass(frozen=True)
class Level:
    """A value to compare with, drawn as a dashed line across the chart."""

    label: str
    value: float


@dataclass(frozen=True)
class Axes:
    """From steps and values to places in the picture.

    Attributes:
        steps: First and last step.
        values: Lowest and highest value.
        log: Whether values are on a logarithmic scale; they are positive then.
    """

    steps: tuple[float, float]
    values: tuple[float, float]
    log: bool = False

    def place(self, point: Point) -> tuple[float, float]:
        """Where a point is drawn."""
        (first, last), (low, high) = self.steps, self.values
        step, value = point
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        across = (step - first) / (last - first)
        # In halves, since the difference of two numbers may be beyond the largest one.
        up = (value / 2 - low / 2) / (high / 2 - low / 2)
        return LEFT + across * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP)


def span_of(values: Sequence[float]) -> tuple[float, float]:
    """The range of an axis; from zero on where that does not flatten the curve."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if 0 <= low < 0.5 * high:
        low = 0.0
    margin = 0.04 * (high / 2 - low / 2) * 2 or abs(high) * 0.1 or 1.0
    return (low if low == 0.0 else low - margin), high + margin


def log_span_of(values: Sequence[float]) -> tuple[float, float] | None:
    """The range of a logarithmic axis, or ``None`` where there can be none."""
    if not values or min(values) <= 0 or max(values) / min(values) < 1.5:
        return None
    low, high = min(values), max(values)
    margin = min((high / low) ** 0.04, 10.0)
    return max(low / margin, math.ulp(0.0)), min(high * margin, 1.7e308)


def draw(
    curves: Sequence[Curve], axes: Axes, levels: Sequence[Level] = (), kind: str = "linear"
) -> Markup:
    """A chart of curves and levels.

    The colour of the n-th curve is that of class ``cn``; levels go on counting after the curves.

    Args:
        curves: What is drawn; a curve of one point is a dot.
        axes: Where.
        levels: Values to compare with.
        kind: The picture's class.
    """
    lines = [_level(level, axes, len(curves) + n) for n, level in enumerate(levels)]
    for index, curve in enumerate(curves):
        colour = f"c{index % COLOURS}"
        lines += [_line(part, f"raw {colour}") for part in _placed(curve.raw, axes)]
        dots = len(curve.points) <= 30
        for part in _placed(curve.points, axes):
            lines.append(_line(part, f"main {colour}", data_curve=index))
            if dots or len(part) == 1:
                lines += [_dot(place, colour) for place in part]
    cursor = element("line", class_="cursor", x1=0, x2=0, y1=TOP, y2=BOTTOM, visibility="hidden")
    return element(
        "svg",
        *_scales(axes),
        *lines,
        cursor,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        class_=f"plot {kind}",
        role="img",
        aria_label=", ".join(curve.label for curve in curves),
        data_frame=f"{LEFT} {RIGHT} {TOP} {BOTTOM}",
        data_steps=f"{axes.steps[0]:.0f} {axes.steps[1]:.0f}",
        data_values=f"{axes.values[0]!r} {axes.values[1]!r}",
        data_log=axes.log,
    )


def legend(curves: Sequence[Curve], levels: Sequence[Level] = ()) -> Markup:
    """Each curve with its last value, each level with its own."""
    entries = [
        _entry(f"c{index % COLOURS}", curve.label, short(_last(curve)), data_curve=index)
        for index, curve in enumerate(curves)
    ]
    entries += [
        _entry(f"level c{(len(curves) + n) % COLOURS}", level.label, short(level.value))
        for n, level in enumerate(levels)
    ]
    return element("ul", *entries, class_="legend")


def short(value: float) -> str:
    """A value in four digits."""
    return f"{value:.4g}" if math.isfinite(value) else "–"


def count(steps: float) -> str:
    """A number of steps, rounded to what fits on an axis."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if steps >= size:
            return f"{steps / size:g}{unit}"
    return f"{steps:g}"


def _entry(kind: str, label: str, value: str, **attributes: float) -> Markup:
    key = element("span", class_=f"key {kind}")
    return element("li", key, label, " ", element("b", value, **attributes))


def _last(curve: Curve) -> float:
    return next((v for _, v in reversed(curve.points) if math.isfinite(v)), math.nan)


def _level(level: Level, axes: Axes, index: int) -> Markup:
    _, y = axes.place((axes.steps[0], level.value))
    return element(
        "line", x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_=f"level c{index % COLOURS}"
    )


def _placed(points: Sequence[Point], axes: Axes) -> Iterator[list[tuple[float, float]]]:
    """The stretches of a curve between its gaps, in the picture."""
    part: list[tuple[float, float]] = []
    for point in points:
        if math.isfinite(point[1]):
            part.append(axes.place(point))
        elif part:
            yield part
            part = []
    if part:
        yield part


def _line(places: Sequence[tuple[float, float]], kind: str, **attributes: float) -> Markup:
    points = " ".join(f"{x:.1f},{y:.2f}" for x, y in places)
    return element("polyline", points=points, class_=kind, **attributes)


def _dot(place: tuple[float, float], colour: str) -> Markup:
    return element("circle", cx=f"{place[0]:.1f}", cy=f"{place[1]:.2f}", r=2.2, class_=colour)


def _scales(axes: Axes) -> Iterator[Markup]:
    """Grid and names of both axes."""
    for value, named in _log_ticks(*axes.values) if axes.log else _ticks(*axes.values, 4):
        _, y = axes.place((axes.steps[0], value))
        yield element("line", x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid")
        if named:
            yield element("text", _tick_name(value), x=LEFT - 6, y=f"{y + 3.2:.1f}", class_="value")
    for step, _ in _ticks(*axes.steps, 5):
        if step == round(step):
            x, _ = axes.place((step, axes.values[0] or axes.values[1]))
            yield element("text", count(step), x=f"{x:.1f}", y=BOTTOM + 15, class_="step")
    yield element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, class_="axis")


def _tick_name(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}"
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def _ticks(low: float, high: float, wanted: int) -> list[tuple[float, bool]]:
    """Round numbers between ``low`` and ``high``, all of them named."""
    rough = (high / wanted - low / wanted) or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    if power == 0.0:
        return []
    step = next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough * 0.8), 10 * power)
    first, last = math.ceil(low / step), math.floor(high / step)
    if last - first > 3 * wanted:
        return []  # the span is smaller than what numbers of this size can tell apart
    return [(index * step, True) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[tuple[float, bool]]:
    """Powers of ten, and what is between them where they are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = -(-(last - first) // NAMED_TICKS)
    between = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [(m * 10.0**power, power % every == 0) for power in range(first, last) for m in between]
    return [(value, named) for value, named in ticks if low <= value <= high and value > 0]
