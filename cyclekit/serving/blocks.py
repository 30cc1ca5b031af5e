"""The page itself: a file in, what became of it beside it."""

import asyncio
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from cyclekit.serving.app import drop
from cyclekit.serving.drawing import STYLE, Result, draw_all, line_of
from cyclekit.serving.limits import Refusal
from cyclekit.serving.service import Service
from cyclekit.serving.task import EXAMPLE, Claim, Task, Translated, Wish, ways_of
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file

KEPT = 24  # results of which the files stay
SUFFIX = re.compile(r"\.[a-z0-9]{1,12}")
LOOK = 0.2  # seconds between looks at how far a task is
STALE = 1800  # seconds after which the page's own files are removed
MOST_ANSWERS = 8
FONTS = ("system-ui", "sans-serif")
FIXED = ("ui-monospace", "monospace")
NOTHING = "What becomes of it will be here."
EMPTY = "() => null"
ASIDE: dict[str, Any] = {"api_visibility": "private", "queue": False}
"""How fields follow each other: past the queue, of which gradio closes the stream when nothing
is left in it, whatever has been asked for in that moment."""
OF_WAY = ("back", "samples", "seed", "example")
"""Fields that a direction decides about."""


def mounted(service: Service) -> FastAPI:
    """An application with the page at its root."""
    page = Page(service).blocks()
    page.queue(default_concurrency_limit=service.limits.queue, api_open=False)
    theme = gr.themes.Default(font=FONTS, font_mono=FIXED).set(
        button_primary_background_fill="*primary_700",  # white is read on it
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
    )
    mounted: FastAPI = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
        path="/",
        theme=theme,
        css=STYLE,
        footer_links=[],
        max_file_size=service.limits.bytes,
        enable_monitoring=False,
        pwa=False,
        show_error=True,
    )
    return mounted


class Page:
    """The page of a service.

    Args:
        service: Does the work.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._runs = {name: run.described for name, run in service.residents.items()}
        self._done: deque[Task] = deque()
        self._fields: dict[str, Any] = {}

    def blocks(self) -> gr.Blocks:
        """What gradio shows."""
        with gr.Blocks(
            title="cyclekit", analytics_enabled=False, delete_cache=(300, STALE)
        ) as page:
            gr.Markdown("# cyclekit\nUpload a file and see what a trained run makes of it.")
            results = gr.State([])
            with gr.Row():
                with gr.Column(scale=1, min_width=300):
                    self._fields = self._asked(next(iter(self._runs)))
                    button = gr.Button("Translate", variant="primary")
                with gr.Column(scale=2, min_width=300):
                    state = gr.Markdown(NOTHING, elem_classes="state", container=True)
                    gr.render(inputs=[results])(draw_all)
            self._connect()
            button.click(
                self.translate,
                set(self._fields.values()),
                [results, state],
                api_visibility="private",
                show_progress="full",
                show_progress_on=state,
            )
        return page

    def _connect(self) -> None:
        """Have fields follow each other."""
        fields = self._fields
        run, direction, file, record = (fields[n] for n in ("run", "direction", "file", "record"))
        rest = [field for field in fields.values() if field is not run]
        of_way = [fields[name] for name in OF_WAY]
        run.change(self._of_run, [run], rest, **ASIDE)
        direction.change(self._of_direction, [run, direction], of_way, **ASIDE)
        # The last that was given is meant.
        file.upload(None, None, [record], js=EMPTY, **ASIDE)
        record.stop_recording(None, None, [file], js=EMPTY, **ASIDE)

    def _asked(self, first: str) -> dict[str, Any]:
        """Everything that is asked for, with what a run offers."""
        of = self._settings(first)
        names = list(self._runs)
        asked: dict[str, Any] = {}
        asked["run"] = gr.Dropdown(
            names, value=first, label="Run", visible=len(names) > 1, interactive=True
        )
        asked["direction"] = gr.Dropdown(label="Direction", interactive=True, **of["direction"])
        asked["sets"] = gr.Dropdown(
            label="What it is to become", multiselect=True, interactive=True, **of["sets"]
        )
        asked["file"] = gr.File(label="Your file", type="filepath", **of["file"])
        asked["record"] = gr.Audio(
            label="Or record", sources=["microphone"], type="filepath", **of["record"]
        )
        asked["attributes"] = gr.CheckboxGroup(label="Your file has", **of["attributes"])
        asked["others"] = gr.CheckboxGroup(label="Compare with", **of["others"])
        with gr.Accordion("More", open=False):
            asked["checkpoint"] = gr.Dropdown(
                label="Checkpoint", interactive=True, **of["checkpoint"]
            )
            asked["back"] = gr.Checkbox(label="Show the way back", **of["back"])
            asked["samples"] = gr.Slider(1, MOST_ANSWERS, step=1, label="Answers", **of["samples"])
            asked["seed"] = gr.Number(
                label="Seed of the code", precision=0, minimum=0, **of["seed"]
            )
            asked["example"] = gr.File(
                label="Or a code like that of", type="filepath", **of["example"]
            )
            asked["format"] = gr.Dropdown(label="Write it as", interactive=True, **of["format"])
        return asked

    def _settings(self, run: str) -> dict[str, dict[str, Any]]:
        """What each field offers for a run."""
        can = self._runs[run]
        ways, formats, attributes = can["directions"], can["formats"], can["attributes"]
        choices = [(way["title"], way["name"]) for way in ways]
        rivals = [name for name in self._runs if name != run and self._comparable(run, name)]
        steps = ["latest", "best", *map(str, can["checkpoints"])]
        return {
            "direction": {
                "choices": choices, "value": ways[0]["name"], "visible": not attributes,
            },
            "sets": {
                "choices": choices if attributes else [], "value": [], "visible": bool(attributes),
            },
            "file": {"value": None},  # of any name: gradio would refuse by that alone
            "record": {"visible": ".wav" in can["suffixes"], "value": None},
            "attributes": {"choices": attributes, "value": [], "visible": bool(attributes)},
            "others": {"choices": rivals, "value": [], "visible": bool(rivals)},
            "checkpoint": {"choices": steps, "value": self._service.residents[run].checkpoint},
            **self._of_way(ways[0]),
            "format": {
                "choices": formats, "value": next(iter(formats), None), "visible": bool(formats),
            },
        }  # fmt: skip

    def _comparable(self, run: str, other: str) -> bool:
        """Whether what one run translates the other does, too."""
        one, two = self._runs[run], self._runs[other]
        shared = {way["name"] for way in one["directions"]} & {
            way["name"] for way in two["directions"]
        }
        return bool(shared) and one["plugin"] == two["plugin"]

    @staticmethod
    def _of_way(way: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The fields of ``OF_WAY``."""
        codes, examples = way["codes"], way["examples"]
        return {
            "back": {"value": False, "visible": way["back"]},
            "samples": {"value": 1, "visible": codes},
            "seed": {"value": 0, "visible": codes},
            "example": {"value": None, "visible": examples},
        }

    def _of_run(self, run: str) -> list[Any]:
        """Fields for another run."""
        of = self._settings(run)
        return [gr.update(**of[name]) for name in self._fields if name != "run"]

    def _of_direction(self, run: str, direction: str) -> list[Any]:
        ways = {way["name"]: way for way in self._runs[run]["directions"]}
        of = self._of_way(ways.get(direction) or next(iter(ways.values())))
        return [gr.update(**of[name]) for name in OF_WAY]

    async def translate(
        self,
        given: Mapping[Any, Any],
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how gradio is asked for it
    ) -> tuple[list[Result], str]:
        """Translate a file by one run or several; what is shown, and a line about each.

        Args:
            given: What is in each field.
            progress: Shows how far it is.
        """
        asked = {name: given[field] for name, field in self._fields.items()}
        file, run = asked["file"] or asked["record"], asked["run"]
        if file is None:
            return [], "Choose a file first."
        sets = self._runs[run]["attributes"]
        direction = ",".join(asked["sets"]) if sets else asked["direction"]
        if not direction:
            return [], "Choose first what it is to become."
        tasks: dict[str, Task] = {}
        made: list[Result] = []
        lines: dict[str, str] = dict.fromkeys((run, *asked["others"]), "")
        try:
            for name in lines:
                with self._telling(name, lines):
                    wish = self._wish(name, direction, asked)
                    files = Path(file), asked["example"] and Path(asked["example"])
                    tasks[name] = await asyncio.to_thread(self._submitted, name, wish, *files)
            for name, task in tasks.items():
                with self._telling(name, lines):
                    outcome = await self._outcome(task, progress)
                    made.append(self._result(name, direction, outcome))
                    lines[name] = line_of(made[-1])
        finally:
            self._keep(list(tasks.values()))
        return made, "  \n".join(lines.values())

    @staticmethod
    @contextmanager
    def _telling(run: str, lines: dict[str, str]) -> Iterator[None]:
        """Say where something is refused; other runs may do it all the same."""
        try:
            yield
        except Refusal as refusal:
            whose = f" by {run}" if len(lines) > 1 else ""
            lines[run] = f"**Not translated{whose}.** {refusal}"

    def _wish(self, run: str, direction: str, asked: Mapping[str, Any]) -> Wish:
        """What is asked for of a run; others than the chosen one use their own checkpoint."""
        resident = self._service.run(run)
        known = resident.described["attributes"]
        samples = 1 if asked["example"] else int(asked["samples"] or 1)
        return Wish(
            direction,
            asked["checkpoint"] if run == asked["run"] else resident.checkpoint,
            asked["format"] or None,
            max(0, int(asked["seed"] or 0)),
            tuple(sorted({*asked["attributes"]} & {*known})) if known else None,
            True,
            bool(asked["back"]),
            min(max(1, samples), MOST_ANSWERS),
        )

    def _submitted(self, run: str, wish: Wish, file: Path, example: Path | None) -> Task:
        """Hand a file over."""
        known = self._runs[run]["suffixes"]
        claim = claim_of(file, known)
        resident = self._service.require(run, wish, claim)
        task = self._service.prepare(wish, claim)
        try:
            _copy(file, task.file)
            if example is not None:
                self._service.require_examples(run, wish.direction)
                task.like = task.place(EXAMPLE, claim_of(example, known))
                _copy(example, task.like)
            resident.submit(task)
        except BaseException:
            drop(self._service, task)
            raise
        return task

    async def _outcome(self, task: Task, progress: gr.Progress) -> Translated:
        while not task.outcome.done():
            done, total = task.progress
            if total:
                progress((done, total))
            await asyncio.sleep(LOOK)
        return task.outcome.result()

    def _keep(self, tasks: Sequence[Task]) -> None:
        """Keep the files of the last results: gradio takes them when it draws the page."""
        self._done.extend(tasks)
        while len(self._done) > KEPT:
            drop(self._service, self._done.popleft())

    def _result(self, run: str, direction: str, made: Translated) -> Result:
        folder = self._service.folder
        titles = {way["name"]: way["title"] for way in self._runs[run]["directions"]}
        views = [
            {**view, "files": [str(folder / file) for file in view.get("files", ())]}
            for view in made.views
        ]
        return {
            "run": run,
            "title": ", ".join(titles[way] for way in ways_of(direction, titles)),
            "file": str(made.file),
            "step": made.step,
            "seconds": made.seconds,
            "views": views,
        }


def claim_of(file: Path, known: Collection[str]) -> Claim:
    """What a file's name says that it is."""
    suffix = file.suffix.lower()
    return Claim.of([suffix], known) if SUFFIX.fullmatch(suffix) else Claim()


def _copy(file: Path, place: Path) -> None:
    with open_file(file) as content:
        Storage(place.parent).write_stream(place.name, content)
