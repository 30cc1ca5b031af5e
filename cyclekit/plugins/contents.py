"""What a plugin brings, as ``cyclekit plugins show`` tells it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cyclekit.contract.options import Options
from cyclekit.datasets.catalogue import read_catalogue
from cyclekit.plugins.host import PluginHost
from cyclekit.recipe.resolve import keys

ARROWS = {True: "higher is better", False: "lower is better"}


@dataclass(frozen=True)
class Thing:
    """Something that a recipe, or a command, can name.

    Attributes:
        name: What it is called there.
        summary: One line about it; may be empty.
        options: Its settings: key -> default and description.
    """

    name: str
    summary: str
    options: Mapping[str, str]


def contents(host: PluginHost) -> dict[str, list[Thing]]:
    """Everything a plugin brings, by kind, those of its extensions included."""
    modality = host.modality
    return {
        "codec": [Thing("codec", _first_line(modality.codec), settings(modality.codec.Options))],
        "generators": list(_named(modality.generators)),
        "discriminators": list(_named(modality.discriminators)),
        "objectives": [
            Thing(kind.name, kind.summary, settings(kind.Options)) for kind in modality.objectives
        ],
        "metrics": [
            Thing(metric.name, _figures(metric.higher_is_better) or metric.protocol, {})
            for metric in modality.metrics
        ],
        "settings of metrics": _of_metrics(modality.metric_options),
        "baselines": [Thing(baseline.name, "", {}) for baseline in modality.baselines],
        "corruptions": [
            Thing(name, _first_line(spoil), {}) for name, spoil in modality.corruptions.items()
        ],
        "built-in data": [
            Thing(f"builtin:{name}", _first_line(make), {})
            for name, make in modality.datasets.items()
        ],
        "published data": [
            Thing(name, published.summary, {})
            for name, published in read_catalogue(host.info).items()
        ],
    }


def settings(options: type[Options]) -> dict[str, str]:
    """Each key's default and description, in one line."""
    return {
        key: f"{_default(field)} {' '.join((field.description or '').split())}".strip()
        for key, field in keys(options)
    }


def _named(networks: Iterable[Any]) -> Iterator[Thing]:
    for network in networks:
        yield Thing(network.name, network.summary, settings(network.options))


def _of_metrics(options: type[Options]) -> list[Thing]:
    told = settings(options)
    return [Thing("metrics", "for cyclekit evaluate --set metrics.KEY=VALUE", told)] if told else []


def _figures(higher_is_better: Mapping[str, bool]) -> str:
    return ", ".join(f"{name} ({ARROWS[up]})" for name, up in higher_is_better.items())


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    return f"[{value}]" if isinstance(value, (bool, int, float, str)) and value != "" else ""


def _first_line(thing: Any) -> str:
    """The first sentence of what the author wrote about it."""
    lines = (thing.__doc__ or "").strip().splitlines()
    return lines[0] if lines else ""
