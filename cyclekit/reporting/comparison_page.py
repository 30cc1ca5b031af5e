"""The page about several runs: who is better, figures, sheets side by side, recipes."""

from pathlib import Path

from cyclekit.names import heading
from cyclekit.reporting.comparison import CHANCE, LEARNED, MEAN, Comparison
from cyclekit.reporting.curves import worded
from cyclekit.reporting.figures import INTERVALS
from cyclekit.reporting.markup import Markup, element, joined
from cyclekit.reporting.media import PICTURES, Attachments, files_in, of_kind
from cyclekit.reporting.page import require_free, whole_page, write_page

NAME = "compared.html"


def write_comparison(comparison: Comparison, output: Path) -> Path:
    """Write the page of a comparison.

    Raises:
        UsageError: If ``output`` is a folder, or another file.
    """
    require_free(output, NAME)
    return write_page(output, comparison_page(comparison))


def comparison_page(comparison: Comparison) -> str:
    """The whole page, which needs nothing but itself."""
    title = " and ".join(comparison.names)
    verdicts = [element("p", str(verdict)) for verdict in comparison.verdicts]
    body = joined(
        element("header", element("h1", title), *verdicts, element("p", CHANCE, class_="soft")),
        element("section", element("h2", "Figures"), _figures(comparison), id="figures"),
        element("section", element("h2", "Samples"), _sheets(comparison), id="samples"),
        element("section", element("h2", "Recipes"), _recipes(comparison), id="recipes"),
    )
    return whole_page(title, body)


def _figures(comparison: Comparison) -> Markup:
    """A row for each figure, a column for each run and each difference to the first."""
    first, *others = comparison.names
    titles = [*comparison.names, *(f"{name} less {first}" for name in others)]
    heads = [element("th", title, scope="col") for title in titles]
    bodies = []
    sides = comparison.stories[0].sides
    for way, names in comparison.figures.items():
        title = "Mean of all directions" if way == MEAN else sides.get(way, way)
        rows = [element("tr", element("th", title, colspan=len(titles) + 1), class_="way")]
        rows += [_row(comparison, way, name) for name in names]
        bodies.append(element("tbody", *rows))
    head = element("thead", element("tr", element("th"), *heads))
    counts = [
        f"{name}: " + " and ".join(f"{n:,} of {heading(domain)}" for domain, n in of.items())
        for name, of in zip(comparison.names, comparison.counts, strict=True)
    ]
    on = "the same items" if comparison.same_items else "not the same items"
    remark = f"Test items: {'; '.join(counts)}; {on}. {INTERVALS} Differences that are more than "
    remark += "chance among the items are bold."
    table = element("table", head, *bodies, class_="table")
    return element("div", table, element("p", remark, class_="soft"), class_="card scroll")


def _row(comparison: Comparison, way: str, name: str) -> Markup:
    cells = []
    for evaluation in comparison.evaluations:
        ends = evaluation.intervals.get(LEARNED, {}).get(way, {}).get(name)
        cells.append(_cell(evaluation.translated[way][name], ends, strong=False))
    for number in range(1, len(comparison.names)):
        found = comparison.difference(0, number, way, name)
        values = [one.translated[way][name] for one in comparison.evaluations]
        value = values[number] - values[0]
        cells.append(_cell(value, found and found.interval, bool(found and found.is_clear)))
    better = comparison.higher_is_better
    arrow = {True: " ↑", False: " ↓"}[better[name]] if name in better else ""
    return element("tr", element("th", worded(name) + arrow, scope="row"), *cells)


def _cell(value: float, ends: tuple[float, float] | None, strong: bool) -> Markup:
    text = f"{value:z.4f}"
    shown = element("b", text) if strong else text
    between = element("small", f" {ends[0]:z.4f}–{ends[1]:z.4f}", class_="soft") if ends else ""
    return element("td", shown, between)


def _sheets(comparison: Comparison) -> Markup:
    """The newest sheets beside each other."""
    attachments = Attachments()
    cards = []
    for name, story in zip(comparison.names, comparison.stories, strict=True):
        newest = max(story.samples, default=None)
        if newest is None:
            continue
        files = of_kind(files_in(story.samples[newest]), PICTURES)
        shown = [
            element("img", src=address, alt=f"{file.name} of {name}")
            for file in files
            if (address := attachments.embed(file))
        ]
        caption = element("figcaption", f"{name}, step {newest:,}")
        cards.append(element("figure", caption, *shown, class_="card"))
    return element("div", *cards, class_="grid pairs")


def _recipes(comparison: Comparison) -> Markup:
    if not comparison.recipes:
        return element("p", "The recipes are the same.")
    heads = [element("th", name, scope="col") for name in ("", *comparison.names)]
    rows = [
        element("tr", element("th", key, scope="row"), *(element("td", one) for one in said))
        for key, said in comparison.recipes.items()
    ]
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *rows),
        class_="table",
    )
    return element("div", table, class_="card scroll")
