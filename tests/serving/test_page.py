"""The page in a browser: a file in, what becomes of it beside it, and nobody else asked."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import draw

pytest.importorskip("gradio", reason="needs cyclekit[serve]")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright (pip install playwright), and Chromium"
)
from serving_support import serving  # noqa: E402

from cyclekit.cli import main  # noqa: E402
from cyclekit.serving.limits import Limits  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ALONE = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
PATIENCE = 240_000  # milliseconds, on a busy machine
VOLUMES = Path(__file__).parents[2] / "examples/cyclekit_volumes/cyclekit_volumes"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)"),
]


@pytest.fixture
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield opened
        opened.close()


def translated(browser: Any, address: str, file: Path, **view: Any) -> tuple[Any, set[str]]:
    """The page once a file was translated there and back, and whom it asked."""
    page = browser.new_context(**view).new_page()
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(f"{address}/")
    page.get_by_role("button", name="More").click(timeout=PATIENCE)
    page.get_by_label("Show the way back").check()
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_text(file.name).first.wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Translate", exact=True).click()
    page.get_by_role("button", name="Download translated").wait_for(timeout=PATIENCE)
    elsewhere = {url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))}
    return page, elsewhere


def test_pictures_are_compared(browser: Any, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "mine.png", 0, (48, 40))
    with serving(trained, Limits(), page=True) as (address, service):
        for view in (
            {"viewport": {"width": 400, "height": 800}},
            {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
        ):
            page, elsewhere = translated(browser, address, file, **view)
            assert elsewhere == set()
            assert page.locator(".result img").count() == 3  # both to compare, and the way back
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= view["viewport"]["width"]
        for picture in page.locator(".result img").all():
            picture.evaluate("image => image.decode()")
            assert picture.evaluate("image => image.naturalWidth") == 48
        with page.expect_download() as download:
            page.get_by_role("button", name="Download translated.png").click()
        assert download.value.path().read_bytes().startswith(b"\x89PNG")
        answer = page.request.put(f"{address}/v1/translate/trained/a2b")
        assert answer.status == 405  # and no page
        (tmp_path / "broken.png").write_bytes(file.read_bytes()[:300])
        page.get_by_label("Remove").or_(page.get_by_label("Clear")).first.click()
        page.locator("input[type=file]").first.set_input_files(tmp_path / "broken.png")
        page.get_by_text("broken.png").first.wait_for(timeout=PATIENCE)
        page.get_by_role("button", name="Translate", exact=True).click()
        page.get_by_text("Not translated").wait_for(timeout=PATIENCE)
        assert str(service.folder) not in page.content().replace("file=" + str(service.folder), "")


@pytest.mark.proof
@pytest.mark.parametrize(
    ("plugin", "recipe", "seen", "heard"),
    [
        ("audio", "demo", 1, 3),
        ("music", "demo", 1, 3),
        (f"{VOLUMES}/__init__.py", f"{VOLUMES}/recipes/demo.toml", 1, 0),
    ],
    ids=["audio", "music", "volumes"],
)
def test_every_modality_has_a_page(
    browser: Any, tmp_path: Path, plugin: str, recipe: str, seen: int, heard: int
) -> None:
    run = tmp_path / "run"
    main(["train", f"--plugin={plugin}", f"--recipe={recipe}", f"--run-dir={run}", "--steps=2",
          "--accelerator=cpu", "--set=train.evaluate_every=0",
          "--set=train.preview_every=0"])  # fmt: skip
    file = sorted((run / "data/testA").iterdir())[0]
    with serving(run, Limits(seconds=300), page=True) as (address, _):
        page, elsewhere = translated(browser, address, file)
        assert elsewhere == set()
        assert page.locator(".result img").count() == seen
        assert page.locator(".result [data-testid=waveform-audio], .result audio").count() >= heard
