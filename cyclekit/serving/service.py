"""Runs that are kept ready, and the tasks that are on their way: what HTTP and page share."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cyclekit.serving.figures import Figures
from cyclekit.serving.limits import Limits, Refusal, busy
from cyclekit.serving.resident import Resident
from cyclekit.serving.task import INPUT, Claim, Task, Wish, ways_of
from cyclekit.storage.folder import Storage
from cyclekit.translating.sharing import Opening

DRAINING = 0.1  # seconds between looks at what is still to be done


class Service:
    """All runs of a service.

    Args:
        openings: How each run is opened, by the name that requests call it.
        limits: What requests may take.
        folder: A private one, for everything that is sent and made.
        tell: Is told what a person who runs the service should know.

    Attributes:
        limits: Likewise.
        residents: The runs by their names.
        figures: For Prometheus.
        folder: Likewise.
        closing: Whether it is about to end.
        begun: Requests that are not answered wholly.
    """

    def __init__(
        self,
        openings: Mapping[str, Opening],
        limits: Limits,
        folder: Path,
        tell: Callable[[str], None],
    ) -> None:
        self.limits = limits
        self.folder = folder
        self.figures = Figures()
        self.closing = False
        self.begun = 0
        self.residents = {
            name: Resident(name, opening, limits, folder, tell, self.figures.killed_in(name))
            for name, opening in openings.items()
        }
        self.figures.watch(self.residents)
        self._bodies = 0

    def start(self) -> None:
        """Open all runs, each in a process of its own.

        Raises:
            Refusal: If one cannot be opened.
        """
        for resident in self.residents.values():
            resident.start()
        for resident in self.residents.values():
            resident.ready.wait()
        for resident in self.residents.values():
            if resident.failure:
                self.close(0)
                raise Refusal(503, resident.failure)

    def close(self, seconds: float) -> None:
        """End all workers, once they have done what they were handed, or after so many seconds."""
        self.closing = True
        for resident in self.residents.values():
            resident.close()
        end = time.monotonic() + seconds
        for resident in self.residents.values():
            resident.join(max(0.0, end - time.monotonic()))

    def drain(self, seconds: float) -> None:
        """Take no more requests, and wait until all that were begun are answered."""
        self.closing = True
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.begun and not any(one.load for one in self.residents.values()):
                return
            time.sleep(DRAINING)

    def run(self, name: str) -> Resident:
        """The run that is called so.

        Raises:
            Refusal: If there is none.
        """
        if name not in self.residents:
            raise Refusal(404, f"There is no run of that name. There are: {self._listed()}.")
        return self.residents[name]

    def require(self, run: str, wish: Wish, claim: Claim) -> Resident:
        """The run that can do what is wished.

        Raises:
            Refusal: If it cannot, or not at the moment.
        """
        resident = self.run(run)
        if self.closing:
            raise busy("The service is about to end.")
        can = resident.described
        _require_direction(wish.direction, can.get("directions", ()))
        if wish.format is not None and wish.format not in can["formats"]:
            raise Refusal(422, f"There is no such format. There are: {_names(can['formats'])}.")
        steps = ["latest", "best", *map(str, can["checkpoints"])]
        if wish.checkpoint not in steps:
            raise Refusal(404, f"There is no such checkpoint. There are: {', '.join(steps)}.")
        if unknown := set(wish.attributes or ()) - set(can["attributes"]):
            known = _names(can["attributes"])
            raise Refusal(422, f"{len(unknown)} attributes are unknown. There are: {known}.")
        if claim.suffix and can["suffixes"] and claim.suffix not in can["suffixes"]:
            raise Refusal(415, f"This run takes {_names(can['suffixes'])}.")
        resident.require_room()
        return resident

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """While the body of a request comes.

        Raises:
            Refusal: If too many do at once, or it takes too long.
        """
        if self._bodies >= self.limits.bodies:
            raise busy(f"{self._bodies} files are being sent already. Try again soon.")
        self._bodies += 1
        try:
            async with asyncio.timeout(self.limits.seconds):
                yield
        except TimeoutError as error:
            said = f"The file did not come within {self.limits.seconds:g} seconds."
            raise Refusal(408, said) from error
        finally:
            self._bodies -= 1

    def prepare(self, wish: Wish, claim: Claim) -> Task:
        """A task with a folder of its own; ``discard`` removes it."""
        name = secrets.token_hex(12)
        folder = Storage(self.folder).make_new(name)
        task = Task(name, folder, folder / INPUT, wish)
        task.file = task.place(INPUT, claim)
        return task

    def require_examples(self, run: str, direction: str) -> None:
        """Refuse an example where no code can be found in one.

        Raises:
            Refusal: Likewise.
        """
        ways = self.run(run).described["directions"]
        if not any(way["examples"] for way in ways if way["name"] == direction):
            able = _names([way["name"] for way in ways if way["examples"]])
            raise Refusal(422, f"No code is found in an example here. Directions with one: {able}.")

    def discard(self, task: Task) -> None:
        """Remove everything that a task left behind."""
        Storage(self.folder).remove(task.name)

    def _listed(self) -> str:
        return ", ".join(self.residents)


def _require_direction(direction: str, known: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what is no direction, nor several that can be gone at once.

    Raises:
        Refusal: Likewise.
    """
    ways = {way["name"]: way for way in known}
    chosen = ways_of(direction, ways)
    if not set(chosen) <= set(ways):
        raise Refusal(404, f"There is no such direction. There are: {', '.join(ways)}.")
    sets = [name for way in chosen for name in ways[way]["sets"]]
    if len(chosen) > 1 and len(set(sets)) < len(chosen):
        raise Refusal(422, "Several directions at once set an attribute each, and each another.")


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"


def names_of(openings: list[Opening]) -> dict[str, Opening]:
    """Runs by names that are told apart, and that addresses can hold."""
    named: dict[str, Opening] = {}
    for opening in openings:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", opening.folder.resolve().name).strip(".-") or "run"
        name, number = plain, 1
        while name in named:
            number += 1
            name = f"{plain}-{number}"
        named[name] = opening
    return named
