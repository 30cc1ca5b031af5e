"""The page itself: a file in, what became of it beside it."""

import asyncio
import re
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from cyclekit.serving.app import drop
from cyclekit.serving.limits import Refusal
from cyclekit.serving.service import Service
from cyclekit.serving.task import Task, Translated, Wish
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
STYLE = """
.gradio-container { max-width: 1200px !important; margin: 0 auto !important; width: 100%; }
.gradio-container main { width: 100% !important; max-width: 100% !important; }
.small img { image-rendering: pixelated; }
.small.picture img { width: 100%; height: 100%; object-fit: contain; }
.sheet .image-container { overflow-x: auto; }
.sheet .image-container > button { width: max(100%, 640px); }
.sheet .image-frame, .sheet .image-frame img { width: 100%; }
.sheet .image-frame img { height: auto; max-height: 640px; object-fit: contain; }
.result { border: 1px solid var(--border-color-primary); border-radius: 8px; padding: 12px; }
.result .block { border-width: 0 !important; }
.result time, .result .controls button { color: var(--body-text-color) !important; }
.result .icon-button-wrapper:not(:has(button)) { display: none; }
.state { min-height: 4em; }
"""

Result = dict[str, Any]
"""What is shown of a run: ``run``, ``title``, ``file``, ``step``, ``seconds``, ``views``."""


def mounted(service: Service) -> FastAPI:
    """An application with the page at its root."""
    page = Page(service).blocks()
    page.queue(default_concurrency_limit=service.limits.queue, api_open=False)
    theme = gr.themes.Default(font=FONTS, font_mono=FIXED).set(
        button_primary_background_fill="*primary_700",  # white is read on it
        button_primary_background_fill_hover="*primary_800",
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

    def blocks(self) -> gr.Blocks:
        """What gradio shows."""
        first = next(iter(self._runs))
        with gr.Blocks(
            title="cyclekit", analytics_enabled=False, delete_cache=(300, STALE)
        ) as page:
            gr.Markdown("# cyclekit\nUpload a file and see what a trained run makes of it.")
            results = gr.State([])
            with gr.Row():
                with gr.Column(scale=1, min_width=300):
                    asked = self._asked(first)
                with gr.Column(scale=2, min_width=300):
                    state = gr.Markdown(NOTHING, elem_classes="state", container=True)
                    gr.render(inputs=[results])(_draw_all)
            run, direction = asked[0], asked[1]
            run.change(self._of_run, [run], asked[1:], api_visibility="private")
            direction.change(
                self._of_direction, [run, direction], asked[6:9], api_visibility="private"
            )
            button = asked.pop()
            button.click(
                self.translate,
                asked,
                [results, state],
                api_visibility="private",
                show_progress="full",
                show_progress_on=state,
            )
        return page

    def _asked(self, first: str) -> list[Any]:
        """Everything that is asked for, and the button."""
        changed = self._settings(first)
        run = gr.Dropdown(
            list(self._runs),
            value=first,
            label="Run",
            visible=len(self._runs) > 1,
            interactive=True,
        )
        direction = gr.Dropdown(label="Direction", interactive=True, **changed[0])
        file = gr.File(label="Your file", type="filepath", **changed[1])
        record = gr.Audio(
            label="Or record", sources=["microphone"], type="filepath", format=None, **changed[2]
        )
        others = gr.CheckboxGroup(label="Compare with", **changed[3])
        with gr.Accordion("More", open=False):
            checkpoint = gr.Dropdown(label="Checkpoint", interactive=True, **changed[4])
            back = gr.Checkbox(label="Show the way back", **changed[5])
            samples = gr.Slider(1, MOST_ANSWERS, step=1, label="Answers", **changed[6])
            seed = gr.Number(label="Seed of the code", precision=0, minimum=0, **changed[7])
            format_ = gr.Dropdown(label="Write it as", interactive=True, **changed[8])
            attributes = gr.CheckboxGroup(label="It has", **changed[9])
        button = gr.Button("Translate", variant="primary")
        return [
            run, direction, file, record, others, checkpoint, back, samples, seed, format_,
            attributes, button,
        ]  # fmt: skip

    def _settings(self, run: str) -> list[dict[str, Any]]:
        """What each field offers for a run, in their order, without the run itself."""
        can = self._runs[run]
        ways = can["directions"]
        way = ways[0]
        suffixes = can["suffixes"]
        rivals = [
            name
            for name, other in self._runs.items()
            if name != run and other["plugin"] == can["plugin"]
        ]
        steps = [
            ("latest", "latest"),
            ("best", "best"),
            *((str(n), str(n)) for n in can["checkpoints"]),
        ]
        formats = can["formats"]
        back, samples, seed = self._of_way(way)
        return [
            {"choices": [(w["title"], w["name"]) for w in ways], "value": way["name"]},
            {"file_types": suffixes or ["file"], "value": None},
            {"visible": ".wav" in suffixes, "value": None},
            {"choices": rivals, "value": [], "visible": bool(rivals)},
            {"choices": steps, "value": self._service.residents[run].checkpoint},
            back,
            samples,
            seed,
            {
                "choices": formats,
                "value": formats[0] if formats else None,
                "visible": bool(formats),
            },
            {"choices": can["attributes"], "value": [], "visible": bool(can["attributes"])},
        ]

    @staticmethod
    def _of_way(way: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Way back, answers and seed."""
        codes = way["codes"]
        return [
            {"value": False, "visible": way["back"]},
            {"value": 1, "visible": codes},
            {"value": 0, "visible": codes},
        ]

    def _of_run(self, run: str) -> list[Any]:
        """Fields for another run; the button stays."""
        return [*(gr.update(**one) for one in self._settings(run)), gr.update()]

    def _of_direction(self, run: str, direction: str) -> list[Any]:
        ways = {way["name"]: way for way in self._runs[run]["directions"]}
        way = ways.get(direction) or next(iter(ways.values()))
        return [gr.update(**one) for one in self._of_way(way)]

    async def translate(
        self,
        run: str,
        direction: str,
        file: str | None,
        record: str | None,
        others: Sequence[str],
        checkpoint: str,
        back: bool,
        samples: float,
        seed: float,
        format: str | None,
        attributes: Sequence[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how gradio is asked for it
    ) -> tuple[list[Result], str]:
        """Translate a file by one run or several; what is shown, and a line about it.

        Args:
            run: The one that was chosen.
            direction: Which way.
            file: What was uploaded.
            record: What was recorded, where nothing was uploaded.
            others: Runs to compare with.
            checkpoint: Of the chosen run; the others use their own.
            back: Whether the way back is shown.
            samples: How many answers.
            seed: Of their codes.
            format: What the result is written as.
            attributes: What the file's item has.
            progress: Shows how far it is.
        """
        given = file or record
        if given is None:
            return [], "Choose a file first."
        tasks: dict[str, Task] = {}
        try:
            for name in (run, *others):
                resident = self._service.run(name)
                chosen = checkpoint if name == run else resident.checkpoint
                known = bool(resident.described["attributes"])
                wish = Wish(
                    direction, chosen, format or None, max(0, int(seed or 0)),
                    tuple(sorted(attributes)) if known else None,
                    True, bool(back), min(max(1, int(samples or 1)), MOST_ANSWERS),
                )  # fmt: skip
                tasks[name] = await asyncio.to_thread(self._submitted, name, wish, Path(given))
            made = [
                self._result(name, direction, await self._outcome(task, progress))
                for name, task in tasks.items()
            ]
            return made, "  \n".join(_line(result) for result in made)
        except Refusal as refusal:
            return [], f"**Not translated.** {refusal}"
        finally:
            self._keep(list(tasks.values()))

    def _submitted(self, run: str, wish: Wish, file: Path) -> Task:
        """Hand a file over."""
        suffix = file.suffix.lower()
        suffix = suffix if SUFFIX.fullmatch(suffix) else ""
        resident = self._service.require(run, wish, suffix)
        task = self._service.prepare(wish, suffix)
        try:
            with open_file(file) as content:
                Storage(task.folder).write_stream(task.file.name, content)
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
            "title": titles[direction],
            "file": str(made.file),
            "step": made.step,
            "seconds": made.seconds,
            "views": views,
        }


def _draw_all(results: Sequence[Result]) -> None:
    """What there is to see, drawn anew whenever there are other results."""
    for result in results:
        with gr.Column(elem_classes="result"):
            if len(results) > 1:
                gr.Markdown(f"**{result['run']}**")
            _draw(result)


def _line(result: Result) -> str:
    """What was done."""
    seconds = f"{result['seconds']:.1f} s" if result["seconds"] >= 0.1 else "under 0.1 s"
    return f"**{result['title']}** · {result['run']}, step {result['step']:,}, {seconds}"


def _draw(result: Result) -> None:
    """One run's result."""
    views = result["views"]
    several = sum(view["kind"] == "picture" for view in views) > 1  # one has headings of its own
    for view in views:
        files, size = view.get("files", []), "small picture" if view.get("small") else None
        if view["kind"] == "compare":
            gr.ImageSlider(
                value=(files[0], files[1]), label=f"Original | {result['title']}",
                type="filepath", interactive=False, elem_classes=size and "small", max_height=480,
                buttons=["fullscreen"],
            )  # fmt: skip
        elif view["kind"] == "picture":
            gr.Image(
                value=files[0], label=view["title"], type="filepath", interactive=False,
                elem_classes=size or ("" if view.get("titled") else "sheet"),
                buttons=["fullscreen"], height=320 if size else None,
                show_label=several or bool(view.get("titled")),
            )  # fmt: skip
        elif view["kind"] == "sound":
            gr.Audio(value=files[0], label=view["title"], interactive=False, buttons=[])
        else:
            gr.Markdown(view["title"])
    name = Path(result["file"]).name
    gr.DownloadButton(f"Download {name}", value=result["file"])
