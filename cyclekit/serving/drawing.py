"""How the page shows what became of a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

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


def draw_all(results: Sequence[Result]) -> None:
    """What there is to see, drawn anew whenever there are other results."""
    for result in results:
        with gr.Column(elem_classes="result"):
            if len(results) > 1:
                gr.Markdown(f"**{result['run']}**")
            _draw(result)


def line_of(result: Result) -> str:
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
