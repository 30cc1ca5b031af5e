"""What was seen of a training that goes wrong, what helps, and the figures that were looked at."""

from collections.abc import Mapping

from cyclekit.judging.symptoms import MEASURED, SYMPTOMS
from cyclekit.reporting.markup import Markup, element, joined
from cyclekit.reporting.reading import RunStory


def troubles(story: RunStory) -> Markup:
    """A card for each symptom that was said, and the newest figures; nothing without a look."""
    if not story.looks:
        return Markup("")
    newest = story.looks[-1]
    cards = [card for look in story.looks for found in look.said if (card := _card(story, *found))]
    nothing = element("p", f"Nothing that is known to go wrong was seen in {_counted(story)}.")
    return joined(
        element("h2", "Troubles"),
        *(cards or [nothing]),
        element(
            "details",
            element("summary", f"What was measured at step {newest.step:,}"),
            _table(newest.figures, story.sides),
            class_="card scroll",
        ),
    )


def _counted(story: RunStory) -> str:
    looks = len(story.looks)
    return "one look" if looks == 1 else f"{looks} looks"


def _card(story: RunStory, name: str, where: str) -> Markup | None:
    """A symptom in words; ``None`` where this version knows none of that name."""
    symptom = next((symptom for symptom in SYMPTOMS if symptom.name == name), None)
    if symptom is None:
        return None
    steps = [look.step for look in story.looks if (name, where) in look.found]
    last = story.looks[-1].step
    still = f"still at step {last:,}" if steps[-1:] == [last] else "no longer seen"
    since = f" (from step {steps[0]:,} on; {still})" if steps else ""
    said = symptom.says.format(where=story.sides.get(where, where))
    return element(
        "div",
        element("h3", f"{name[0].upper()}{name[1:]}{since}"),
        element("p", f"{said[0].upper()}{said[1:]}."),
        element("p", f"What may help: {symptom.helps}."),
        class_="card",
    )


def _table(figures: Mapping[str, Mapping[str, float]], sides: Mapping[str, str]) -> Markup:
    rows = [
        element(
            "tr",
            element("th", sides.get(where, where), scope="row"),
            element("th", name.replace("_", " ")),
            element("td", f"{value:.3f}"),
            element("td", element("small", MEASURED.get(name, ""), class_="soft")),
        )
        for where, of in figures.items()
        for name, value in of.items()
    ]
    return element("table", element("tbody", *rows), class_="table")
