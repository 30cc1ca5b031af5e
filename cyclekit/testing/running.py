"""Run the checks, each if those that it needs have passed."""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cyclekit.contract.modality import Modality
from cyclekit.describe import describe_exception
from cyclekit.errors import CyclekitError
from cyclekit.plugins.discovery import PluginInfo, find_plugin
from cyclekit.plugins.host import load_plugin
from cyclekit.plugins.modality import completed
from cyclekit.testing import (
    codec_checks,
    encoding_checks,
    network_checks,
    objective_checks,
    output_checks,
    planner_checks,
    sequence_checks,
)
from cyclekit.testing.checks import CHECKS, Check
from cyclekit.testing.faults import Fault
from cyclekit.testing.subject import Subject
from cyclekit.version import API_VERSION

__all__ = ["Result", "check_modality", "run_checks"]
# Importing them fills CHECKS.
FAMILIES = (
    codec_checks,
    encoding_checks,
    sequence_checks,
    network_checks,
    objective_checks,
    output_checks,
    planner_checks,
)


@dataclass(frozen=True)
class Result:
    """The outcome of one check.

    Attributes:
        name: The check's.
        outcome: ``"ok"``, ``"failed"``, or ``"not run"`` where a check that it needs did not pass.
        message: What is wrong and what to change, in one sentence; empty where all is well.
        error: What was raised, where something was.
    """

    name: str
    outcome: Literal["ok", "failed", "not run"]
    message: str = ""
    error: Exception | None = None


def check_modality(
    modality: str | Modality,
    data: Path | str | None = None,
    objective: str | None = None,
    extensions: Sequence[str] = (),
) -> None:
    """Hold a plugin against the contract; for its own tests.

    Args:
        modality: A plugin's name, the path of a single-file plugin, or a modality.
        data: Folder with ``trainA`` and so on; default: data that the plugin makes itself.
        objective: Name of the objective to try; default: the recipe's or the modality's.
        extensions: Further plugins to load, such as one that brings that objective.

    Raises:
        AssertionError: Naming each rule that is broken, and what to change.
    """
    results = run_checks(modality, data, objective, extensions)
    broken = [result for result in results if result.outcome == "failed"]
    if broken:
        listed = "\n".join(f"  {result.name}: {result.message}" for result in broken)
        raise AssertionError(f"the contract is broken:\n{listed}")


def run_checks(
    modality: str | Modality,
    data: Path | str | None = None,
    objective: str | None = None,
    extensions: Sequence[str] = (),
) -> Iterator[Result]:
    """Check a plugin rule by rule.

    Args:
        modality: A plugin's name, the path of a single-file plugin, or a modality.
        data: Folder with ``trainA`` and so on; default: data that the plugin makes itself.
        objective: Name of the objective to try; default: the recipe's or the modality's.
        extensions: Further plugins to load, such as one that brings that objective.

    Yields:
        A result for each rule, as soon as it is known.
    """
    with tempfile.TemporaryDirectory(prefix="cyclekit-") as folder:
        try:
            offered, info = _offered(modality, extensions)
        except CyclekitError as error:
            yield Result("plugin", "failed", str(error), error)
            yield from (Result(name, "not run", "needs plugin") for name in CHECKS)
            return
        yield Result("plugin", "ok")
        where = Path(data) if data else None
        subject = Subject(offered, info, where, Path(folder), objective)
        passed: set[str] = set()
        for check in CHECKS.values():
            result = _run(check, subject, passed)
            if result.outcome == "ok":
                passed.add(check.name)
            yield result


def _offered(
    modality: str | Modality, extensions: Sequence[str]
) -> tuple[Modality, PluginInfo | None]:
    if isinstance(modality, str):
        return load_plugin(modality, extensions).modality, find_plugin(modality)
    if modality.api != API_VERSION:
        raise CyclekitError(
            f"Modality.api is {modality.api}; this cyclekit speaks {API_VERSION}: write the number "
            f"that the plugin was written for."
        )
    return completed(replace(modality)), None


def _run(check: Check, subject: Subject, passed: set[str]) -> Result:
    lacking = [need for need in check.needs if need not in passed]
    if lacking:
        return Result(check.name, "not run", f"needs {', '.join(lacking)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what metrics tell the readers of their figures
            check.find(subject)
    except (Fault, CyclekitError) as error:
        return Result(check.name, "failed", " ".join(str(error).split()), error)
    except Exception as error:  # something so odd that a check stumbles over it is a fault, too
        said = f"The check raised {describe_exception(error)}: something has another type than the "
        said += "contract says; compare with the reference."
        return Result(check.name, "failed", said, error)
    return Result(check.name, "ok")
