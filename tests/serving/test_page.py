"""The page in a browser: a file in, what becomes of it beside it, and nobody else asked."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import draw

pytest.importorskip("gradio", reason="needs cyclekit[serve]")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright (pip install playwright), and Chromium"
)
from serving_support import (  # noqa: E402
    SETS,
    serving,
    train_attributes,
    train_coded,
    train_kinds,
)

from cyclekit.cli import main  # noqa: E402
from cyclekit.serving.limits import Limits  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ALONE = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
PATIENCE = 240_000  # milliseconds, on a busy machine
VOLUMES = Path(__file__).parents[2] / "examples/cyclekit_volumes/cyclekit_volumes"
NARROW = {"viewport": {"width": 400, "height": 800}, "color_scheme": "dark"}
WIDE = "[...document.querySelectorAll('.result img')].every(image => image.naturalWidth == 56)"
UNLABELLED = re.compile(r"^\s*- (textbox|combobox|checkbox|slider|spinbutton)(?! \")", re.MULTILINE)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (make browser)"),
]


@pytest.fixture
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield opened
        opened.close()


@contextmanager
def visited(browser: Any, address: str, **view: Any) -> Iterator[Any]:
    """A service's page, from which nothing may go elsewhere, or try to."""
    context = browser.new_context(**view)
    elsewhere = []

    def refuse(route: Any) -> None:
        elsewhere.append(route.request.url)
        route.abort()

    own = (f"{address}/", "data:", "blob:")
    context.route(lambda url: not url.startswith(own), refuse)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    # What the page's policy forbids is no request any more.
    page.on("console", lambda said: "Content Security" in said.text and elsewhere.append(said.text))
    page.goto(f"{address}/")
    page.get_by_role("button", name="More").click()
    yield page
    assert elsewhere == []
    assert UNLABELLED.search(page.locator("body").aria_snapshot()) is None
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]


def upload(page: Any, file: Path, field: int = 0) -> None:
    page.locator("input[type=file]").nth(field).set_input_files(file)
    page.locator(".file-preview .stem", has_text=file.stem).first.wait_for()  # it is there


def choose(page: Any, label: str, value: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=value, exact=True).click()


def translate(page: Any, said: str) -> None:
    """Press the button and wait for what is said of it."""
    page.get_by_role("button", name="Translate", exact=True).click()
    try:
        page.locator(".state").get_by_text(said).first.wait_for()
    except playwright.TimeoutError as error:
        found = page.locator(".state").inner_text()
        raise AssertionError(f"the page says {found!r} and not {said!r}") from error


def downloaded(page: Any, name: str = "translated.png") -> bytes:
    """What the page gives to keep."""
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {name}").click()
    content: bytes = download.value.path().read_bytes()
    return content


def pictures(page: Any, count: int, width: int | None = None) -> None:
    """Wait for so many pictures, each of them drawn, of a width."""
    page.locator(".result img").nth(count - 1).wait_for()
    assert page.locator(".result img").count() == count
    for picture in page.locator(".result img").all():
        picture.evaluate("image => image.decode()")
        found = picture.evaluate("image => image.naturalWidth")
        assert found == (width or found)


def test_a_picture_is_compared(
    browser: Any, trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(trained, Limits(), page=True) as (address, _):
        with visited(browser, address, **NARROW) as page:
            page.get_by_label("Show the way back").check()
            upload(page, draw(tmp_path / "mine.png", 0, (48, 40)))
            translate(page, "trained, step 4")
            pictures(page, 3, 48)  # both to compare, and the way back
            assert downloaded(page).startswith(b"\x89PNG")
            page.get_by_label("Remove").or_(page.get_by_label("Clear")).first.click()
            mine = draw(tmp_path / "mine.png", 0, (56, 40))
            upload(page, mine.rename(tmp_path / "other.dat"))  # what it is called does not matter
            choose(page, "Checkpoint", "2")
            translate(page, "trained, step 2")
            page.wait_for_function(WIDE)
            pictures(page, 3, 56)
        answer = page.request.put(f"{address}/v1/translate/trained/a2b")
        assert answer.status == 405  # and no page
    assert "Traceback" not in capfd.readouterr().err  # of a service that ends under an open page


@pytest.mark.proof
def test_runs_are_compared(browser: Any, trained: Path, folders: Path, tmp_path: Path) -> None:
    coded = train_coded(folders, tmp_path / "coded")
    file = draw(tmp_path / "mine.png", 0, (48, 40))
    (tmp_path / "broken.png").write_bytes(file.read_bytes()[:300])
    with (
        serving([trained, coded], Limits(), page=True) as (address, service),
        visited(browser, address) as page,
    ):
        upload(page, file)
        page.get_by_label("coded").check()
        choose(page, "Checkpoint", "2")
        translate(page, "coded, step 1")
        page.locator(".state").get_by_text("trained, step 2").wait_for()
        pictures(page, 4, 48)
        page.get_by_label("Remove").or_(page.get_by_label("Clear")).first.click()
        upload(page, tmp_path / "broken.png")
        translate(page, "Not translated by coded")
        page.locator(".result").first.wait_for(state="detached")
        assert str(service.folder) not in page.content().replace("file=" + str(service.folder), "")


@pytest.mark.proof
def test_a_code_is_chosen_or_that_of_an_example(
    browser: Any, folders: Path, tmp_path: Path
) -> None:
    run = train_coded(folders, tmp_path / "coded")
    with (
        serving(run, Limits(), page=True) as (address, _),
        visited(browser, address, **NARROW) as page,
    ):
        upload(page, draw(tmp_path / "mine.png", 0, (48, 40)))
        page.get_by_role("spinbutton", name="Answers").fill("3")
        page.get_by_label("Seed of the code").fill("7")
        translate(page, "coded, step 1")
        pictures(page, 4, 48)
        # A field with a file in it takes no other.
        upload(page, draw(tmp_path / "example.png", 1, (48, 40)))
        translate(page, "coded, step 1")
        page.get_by_text("answer 2").wait_for(state="hidden")
        pictures(page, 2, 48)


@pytest.mark.proof
def test_attributes_are_chosen(browser: Any, tmp_path: Path) -> None:
    run = train_attributes(tmp_path)
    with (
        serving(run, Limits(), page=True) as (address, _),
        visited(browser, address, **NARROW) as page,
    ):
        upload(page, draw(tmp_path / "mine.png", 0, (48, 40)))
        page.get_by_label(SETS[1], exact=True).check()
        translate(page, "Choose first what it is to become")
        choose(page, "What it is to become", f"with {SETS[0]}")
        translate(page, f"with {SETS[0]}")
        pictures(page, 2, 48)
        one = downloaded(page)
        choose(page, "What it is to become", f"without {SETS[1]}")
        translate(page, f"with {SETS[0]}, without {SETS[1]}")
        pictures(page, 2, 48)
        assert downloaded(page) != one


@pytest.mark.proof
def test_a_target_is_chosen_among_many(browser: Any, tmp_path: Path) -> None:
    run = train_kinds(tmp_path)
    with (
        serving(run, Limits(), page=True) as (address, _),
        visited(browser, address, **NARROW) as page,
    ):
        upload(page, draw(tmp_path / "mine.png", 0, (48, 40)))
        made = []
        for way in ("plain → filled", "plain → striped"):
            choose(page, "Direction", way)
            translate(page, way)
            pictures(page, 2, 48)
            page.get_by_text(f"Original | {way}").wait_for()
            made.append(downloaded(page))
        assert made[0] != made[1]


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
    with (
        serving(run, Limits(seconds=200), page=True) as (address, _),  # less than PATIENCE
        visited(browser, address, **NARROW) as page,
    ):
        way = page.request.get(f"{address}/v1/models").json()[0]["directions"][0]["name"]
        for kind in ("application/octet-stream", "image/x-icon"):  # says nothing, and lies
            answer = page.request.post(
                f"{address}/v1/translate/run/{way}",
                data=file.read_bytes(),
                headers={"content-type": kind},
            )
            assert answer.status == 200, answer.text()
        page.get_by_label("Show the way back").check()
        upload(page, file)
        translate(page, "run, step 2")
        pictures(page, seen)
        assert page.locator(".result audio[data-testid]").count() == heard
        sheet = page.locator(".sheet .image-container").bounding_box()
        assert page.locator(".sheet img").bounding_box()["x"] >= sheet["x"]  # nothing is cut off
        if plugin == "audio":
            page.get_by_role("button", name="Record").click()
            page.wait_for_timeout(1500)
            page.get_by_role("button", name="Stop").click()
            page.locator(".file-preview").wait_for(state="hidden")  # the last that was given counts
            page.get_by_role("button", name="Play").nth(heard).wait_for()
            translate(page, "run, step 2")
            page.get_by_role("button", name="Download translated.wav").wait_for()
