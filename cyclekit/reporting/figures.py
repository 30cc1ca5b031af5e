"""Evaluations: the newest as a table, all of them as curves, beside baselines."""

import math
from collections.abc import Iterable, Mapping, Sequence

from cyclekit.judging.ends import MEAN as ENDS_MEAN
from cyclekit.judging.ends import by_ends
from cyclekit.names import counted_items, setting_of
from cyclekit.reporting.charts import Axes, Level, draw, legend, short, span_of
from cyclekit.reporting.curves import Curve, Sides, ends_of, worded
from cyclekit.reporting.markup import Markup, element, joined
from cyclekit.reporting.reading import Directions, Evaluation, Intervals, RunStory

FEW = 4  # directions and their mean that are shown one by one
PERFECT = "codec"  # the baseline that is no rival: the truth, encoded and decoded
REAL = "real"  # test items themselves, no rivals either
MEAN = "both"  # the directions' mean
LEARNED = "translated"
BEST = "best checkpoint"
INTERVALS = (
    "Small: 95 % of what the figure would be with other test items of the same kind (bootstrap); "
    "without one it is of all items together."
)


def evaluations(story: RunStory) -> Markup:
    """Tables and curves, nothing where nothing was measured or there is no figure."""
    measured = [found for found in story.evaluations if any(found.translated.values())]
    own = next((found for found in measured if not found.other), None)
    others = [found for found in measured if found.other]
    newest = max((step for step, of in story.evaluated.items() if any(of.values())), default=None)
    sides = story.sides
    tables = [_newest(own, sides)] if own else []
    if newest is not None and (own is None or newest > own.step):
        tables.insert(0, _while_training(newest, story.evaluated[newest], sides))
    tables += [_newest(found, sides) for found in others]
    if not tables:
        return Markup("")
    return joined(element("h2", "Figures"), *tables, _curves(story, own))


def _newest(found: Evaluation, sides: Sides) -> Markup:
    where = f"on {found.other}" if found.other else "on the test set"
    counted = _items(found)
    caption = f"Step {found.step:,} {where}" + f" ({counted})" * bool(counted)
    ways = {LEARNED: found.translated}
    ways |= {BEST: found.best} if found.best else {}
    ways |= found.baselines | ({REAL: found.real} if found.real else {})
    ends = {{"best": BEST}.get(way, way): of for way, of in found.intervals.items()}
    return _table(caption, ways, found.higher_is_better, sides, ends)


def _items(found: Evaluation) -> str:
    return f"test items: {counted_items(found.items)}" if found.items else ""


def _while_training(step: int, figures: Directions, sides: Sides) -> Markup:
    return _table(f"Step {step:,}, measured while training", {LEARNED: figures}, {}, sides)


def _table(
    caption: str,
    ways: Mapping[str, Directions],
    higher: Mapping[str, bool],
    sides: Sides,
    intervals: Intervals | None = None,
) -> Markup:
    """Figures by direction, a column for each way to translate."""
    heads = [element("th", worded(way), scope="col") for way in ways]
    bodies = {
        direction: _direction(
            _titled(direction, sides),
            [of.get(direction, {}) for of in ways.values()],
            list(ways),
            higher,
            [(intervals or {}).get(way, {}).get(direction, {}) for way in ways],
        )
        for direction in _worth_showing(ways[LEARNED])
    }
    tables = [_by_ends(ways[LEARNED], higher, sides)] if len(bodies) > FEW else []
    if len(bodies) > FEW:
        each = {name: body for name, body in bodies.items() if name != MEAN}
        tables.append(_folded(f"Each of the {len(each)} directions", heads, each.values()))
        bodies = {name: body for name, body in bodies.items() if name == MEAN}
    remarks = []
    if higher and len(ways) > 1:
        remarks.append("↑: higher is better, ↓: lower is better; the best is bold.")
    if intervals:
        remarks.append(INTERVALS)
    if PERFECT in ways:
        remarks.append(f"“{PERFECT}” is the truth, encoded and decoded: the most that can be had.")
    if REAL in ways:
        remarks.append(f"“{REAL}” are the target's own test items, beside training items.")
    return element(
        "div",
        element("h3", caption),
        _ways_table(heads, bodies.values()),
        *tables,
        element("p", " ".join(remarks), class_="soft") if remarks else "",
        class_="card scroll",
    )


def _titled(direction: str, sides: Sides) -> str:
    return "Mean of all directions" if direction == MEAN else sides.get(direction, direction)


def _ways_table(heads: Sequence[Markup], bodies: Iterable[Markup]) -> Markup:
    head = element("thead", element("tr", element("th"), *heads))
    return element("table", head, *bodies, class_="table")


def _folded(title: str, heads: Sequence[Markup], bodies: Iterable[Markup]) -> Markup:
    return element("details", element("summary", title), _ways_table(heads, bodies))


def _by_ends(figures: Directions, higher: Mapping[str, bool], sides: Sides) -> Markup:
    """A table for each figure that says which way is better, sources below each other, targets
    beside each other; the first is open."""
    ways = {way: ends for way, ends in ends_of(sides).items() if way in figures}
    ways |= {way: place for way in figures if way not in ways and (place := setting_of(way))}
    names = dict.fromkeys(name for of in figures.values() for name in of)
    names = {name: None for name in names if name in higher} or names
    tables: list[Markup] = []
    for name in names if len({end for ends in ways.values() for end in ends}) > 2 else ():
        table = by_ends(figures, ways, name)
        columns = list(table[ENDS_MEAN])
        titles = (element("th", sides.get(target, target), scope="col") for target in columns)
        rows = [
            element(
                "tr",
                element("th", sides.get(source, source), scope="row"),
                *(element("td", _cell(row.get(target), best=False)) for target in columns),
            )
            for source, row in table.items()
        ]
        arrow = {True: " ↑", False: " ↓"}[higher[name]] if name in higher else ""
        head = element("thead", element("tr", element("th", "from, to"), *titles))
        body = element("tbody", *rows)
        title = element("summary", worded(name) + arrow)
        drawn = element("table", head, body, class_="table")
        tables.append(element("details", title, drawn, open=not tables))
    return joined(*tables)


def _worth_showing(figures: Directions) -> list[str]:
    """Directions, and their mean where there are several."""
    return [name for name in figures if name != MEAN or len(figures) > 2]


def _direction(
    title: str,
    of_ways: Sequence[Mapping[str, float]],
    ways: Sequence[str],
    higher: Mapping[str, bool],
    intervals: Sequence[Mapping[str, tuple[float, float]]],
) -> Markup:
    rows = [element("tr", element("th", title, colspan=len(ways) + 1), class_="way")]
    for name in dict.fromkeys(name for figures in of_ways for name in figures):
        values = [figures.get(name) for figures in of_ways]
        rivals = [
            value
            for way, value in zip(ways, values, strict=True)
            if value is not None and way not in (PERFECT, REAL)
        ]
        best = None
        if name in higher and len(rivals) > 1:
            best = max(rivals) if higher[name] else min(rivals)
        arrow = {True: " ↑", False: " ↓"}[higher[name]] if name in higher else ""
        cells = [
            element(
                "td", _cell(value, value == best and way not in (PERFECT, REAL)), _ends(of, name)
            )
            for way, value, of in zip(ways, values, intervals, strict=True)
        ]
        rows.append(element("tr", element("th", worded(name) + arrow, scope="row"), *cells))
    return element("tbody", *rows)


def _cell(value: float | None, best: bool) -> str:
    if value is None:
        return ""
    text = f"{value:z.4f}" if abs(value) < 1e6 else short(value)
    return element("b", text) if best else text


def _ends(intervals: Mapping[str, tuple[float, float]], name: str) -> Markup:
    """A figure's interval, where it has one."""
    if name not in intervals:
        return Markup("")
    low, high = intervals[name]
    return element("small", f" {low:z.4f}–{high:z.4f}", class_="soft")


def _curves(story: RunStory, own: Evaluation | None) -> Markup:
    """A card for each figure, in it a chart for each direction, on the same axes."""
    if len(story.evaluated) < 2:
        return Markup("")
    names = dict.fromkeys(
        name for of in story.evaluated.values() for figures in of.values() for name in figures
    )
    cards = [_card(name, story, own) for name in names]
    limit = story.setting("train", "evaluate_items")
    remark = "Measured while training"
    if type(limit) is int and limit > 0:
        remark += f", on the first {limit} test items of each domain"
    if own and own.baselines:
        counted = _items(own)
        remark += ". Dashed: baselines" + f" ({counted})" * bool(counted)
    return joined(
        element("p", f"{remark}.", class_="soft"), element("div", *cards, class_="grid pairs")
    )


def _card(name: str, story: RunStory, own: Evaluation | None) -> Markup:
    directions = list(dict.fromkeys(way for of in story.evaluated.values() for way in of))
    if len(directions) > FEW and MEAN in directions:
        directions = [MEAN]
    curves, levels = {}, {}
    for direction in directions:
        points = [
            (float(step), of[direction][name])
            for step, of in sorted(story.evaluated.items())
            if name in of.get(direction, {})
        ]
        if not points:
            continue
        curves[direction] = Curve(LEARNED, points)
        levels[direction] = [
            Level(worded(baseline), value)
            for baseline, of in (own.baselines.items() if own else ())
            if math.isfinite(value := of.get(direction, {}).get(name, math.nan))
        ]
    values = [v for curve in curves.values() for v in curve.values]
    values += [level.value for of in levels.values() for level in of]
    axes = Axes((0.0, float(max(1, *story.evaluated))), span_of(values))
    panels = [
        element(
            "div",
            element("h4", _titled(direction, story.sides), element("span", class_="at")),
            draw([curve], axes, levels[direction]),
            legend([curve], levels[direction]),
            class_="chart",
        )
        for direction, curve in curves.items()
    ]
    arrow = ""
    if own and name in own.higher_is_better:
        arrow = " ↑" if own.higher_is_better[name] else " ↓"
    return element(
        "figure",
        element("figcaption", worded(name) + arrow),
        element("div", *panels, class_="panels"),
        class_="card",
    )
