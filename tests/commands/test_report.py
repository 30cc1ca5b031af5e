"""The page about a run: what it shows, that it needs nothing else, that nothing gets into it."""

import base64
import json
import math
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from audio_support import SMALL_AUDIO, write_voices
from support import Cli, records, training

from cyclekit.cli import main

Attributes = dict[str, str]

VOID = {"meta", "img", "input"}
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """Every element with its attributes and the text directly and deeply inside it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.found: list[tuple[str, Attributes, list[str]]] = []
        self._open: list[tuple[str, Attributes, list[str]]] = []
        self.feed(text)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs}, [])
        self.found.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, _, texts in self._open:
            texts.append(data)

    def all(self, tag: str, kind: str = "") -> list[tuple[Attributes, str]]:
        """Elements of a tag that have a class."""
        return [
            (attributes, "".join(texts))
            for name, attributes, texts in self.found
            if name == tag and (not kind or kind in attributes.get("class", "").split())
        ]

    def rows(self) -> list[list[str]]:
        """The text of every table row; bold cells between asterisks."""
        return [
            [
                f"*{cell}*" if f"<td><b>{cell}</b>" in row else cell
                for cell in re.findall(r"<t[hd][^>]*>(?:<b>)?([^<]*)", row)
            ]
            for row in re.findall(r"<tr.*?</tr>", self.text)
        ]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that makes sounds."""
    folder = tmp_path_factory.mktemp("heard")
    voices = write_voices(folder / "data", files=1)
    main(training("audio", "slt2rms", SMALL_AUDIO)(voices, folder / "run"))
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of a run on pictures, to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run", symlinks=True))


@pytest.fixture
def report(cli: Cli) -> Callable[[Path], Page]:
    def made(run: Path) -> Page:
        done = cli("report", run)
        assert (done.code, done.err) == (0, "")
        assert done.out == f"{run / 'report.html'}\n"
        page = Page((run / "report.html").read_text())
        assert list(foreign(page)) == []
        return page

    return made


Report = Callable[[Path], Page]


def foreign(page: Page) -> Iterator[str]:
    """Whatever in a page is or may become a reference to something outside, or code."""
    for tag, attributes, _ in page.found:
        for name, value in attributes.items():
            if name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href"):
                if not value.startswith(("data:", "#")):
                    yield f"{tag} {name}={value}"
            elif name.startswith("on") or name == "style":
                yield f"{tag} {name}={value}"
    style = page.all("style")[0][1]
    yield from (found for found in re.findall(r"url\(.|@import|https?:", style))
    if len(page.all("script")) != 1:
        yield "a script of somebody else's"


def chart(page: Page, title: str) -> list[tuple[Attributes, list[str]]]:
    """The pictures of the card with a title: attributes, points of each curve."""
    (card,) = [
        card
        for card in re.findall(r"<figure.*?</figure>", page.text, re.S)
        if re.search(rf"<figcaption>{re.escape(title)}<", card)
    ]
    pictures = []
    for svg in re.findall(r"<svg.*?</svg>", card, re.S):
        curves = re.findall(r'<polyline points="([^"]*)" class="main', svg)
        pictures.append((dict(re.findall(r' ([\w-]+)="([^"]*)"', svg.partition(">")[0])), curves))
    return pictures


def values(picture: Attributes, curve: str) -> list[float]:
    """What the points of a curve say, read off the axis."""
    low, high = map(float, picture["data-values"].split())
    _, _, top, bottom = map(float, picture["data-frame"].split())
    if "log" in picture["class"]:
        low, high = math.log(low), math.log(high)
    heights = [float(point.partition(",")[2]) for point in curve.split()]
    read = [low + (bottom - height) / (bottom - top) * (high - low) for height in heights]
    return [math.exp(value) for value in read] if "log" in picture["class"] else read


def test_what_a_run_on_pictures_shows(
    trained: Path, folders: Path, run: Path, report: Report
) -> None:
    page = report(run)
    assert page.all("h1")[0][1] == "run"
    facts = " ".join(text for _, text in page.all("dl"))
    for said in ("4of 4", "cpu", "image (cyclekit 0.2.0)", "torch 2", "2, 4 (best)", "32-true"):
        assert said in facts, said

    # The curves go through what was logged, on both kinds of axes.
    lines = [line for line in records(run) if "evaluation" not in line]
    for attributes, curves in chart(page, "Cycle"):
        assert len(curves) == 2
        for curve, side in zip(curves, "ab", strict=True):
            logged = [line[f"cycle_{side}"] for line in lines]
            assert values(attributes, curve) == pytest.approx(logged, rel=0.02)
    titles = {text for _, text in page.all("figcaption")}
    assert {"Sum by phase", "Adversarial", "Discriminator", "Learning rate"} <= titles

    # Sheets as they are in the run, the newest chosen.
    sheets = sorted((run / "samples").glob("*/sheet.png"))
    shown = [base64.b64decode(image["src"].partition(",")[2]) for image, _ in page.all("img")]
    assert shown == [sheet.read_bytes() for sheet in sheets]
    frames = [a for a, _ in page.all("input") if a["name"] == "frame"]
    assert ["checked" in frame for frame in frames] == [False, True]
    items = json.loads((run / "preview.json").read_text())
    for file in (*items["a"], *items["b"]):
        assert Path(file).name in page.text

    (recipe,) = page.all("pre")
    text = (run / "recipe.toml").read_text()
    assert recipe[1] == text.replace(f'"{folders}"', f'".../{folders.name}"')
    assert str(folders) not in page.text
    assert 'summary = "' in recipe[1]


def test_figures_beside_baselines(run: Path, report: Report) -> None:
    (file,) = (run / "evaluations").iterdir()
    kept = json.loads(file.read_text())
    page = report(run)
    rows = page.rows()
    assert rows[0] == ["", "translated", "identity", "colour"]
    start = rows.index(["A → B"])
    row = next(row for row in rows[start:] if row[0] == "l1 ↓")
    columns = {"translated": kept} | kept["baselines"]
    figures = [columns[name]["a2b"]["l1"] for name in rows[0][1:]]
    best = min(figures)
    assert row[1:] == [f"*{f:.4f}*" if f == best else f"{f:.4f}" for f in figures]

    # Without knowing which way is better nothing is bold; curves need two evaluations.
    file.write_text(json.dumps({k: v for k, v in kept.items() if k != "higher_is_better"}))
    with (run / "metrics.jsonl").open("a") as log:
        log.write(json.dumps({"step": 6, "evaluation": {"a2b": {"l1": 0.25}}}) + "\n")
    page = report(run)
    assert "*" not in "".join(cell for row in page.rows() for cell in row)
    assert ["l1", "0.2500"] in page.rows(), "the newest figures, though the file is older"
    ((picture, (curve,)), _) = chart(page, "l1")
    before = kept["a2b"]["l1"]
    assert values(picture, curve) == pytest.approx([before, 0.25], rel=0.02)
    levels = re.findall(r'class="level c\d"', page.text.partition("<figcaption>l1<")[2])
    assert len(levels) >= 4  # two baselines each way


def test_sounds_and_other_files(heard: Path, report: Report) -> None:
    newest = heard / "samples" / "step-00000004"
    (newest / "00-0-A-to-B.mid").write_bytes(b"MThd")
    (newest / "numbers.csv").write_text("1,2")
    page = report(heard)
    played = [base64.b64decode(a["src"].partition(",")[2]) for a, _ in page.all("audio")]
    assert played == [file.read_bytes() for file in sorted(newest.glob("*.wav"))]
    with wave.open(str(next(newest.glob("*.wav")))) as sound:
        assert sound.getnframes() > 0
    (download,) = [a for a, _ in page.all("a") if "download" in a]
    assert (download["download"], download["href"]) == (
        "00-0-A-to-B.mid",
        "data:audio/midi;base64," + base64.b64encode(b"MThd").decode(),
    )
    assert "1 other files (.csv)" in page.text
    assert all(a["src"].startswith("data:image/png") for a, _ in page.all("img"))
    assert page.all("section")[1][0]["id"] != "figures", "nothing was evaluated"


def test_before_anything_is_logged(run: Path, report: Report) -> None:
    for name in ("metrics.jsonl", "timing.jsonl", "preview.json"):
        (run / name).unlink()
    for name in ("samples", "evaluations", "checkpoints"):
        shutil.rmtree(run / name)
    page = report(run)
    assert "has not logged anything yet" in page.text
    assert [a["id"] for a, _ in page.all("section")] == ["recipe"]


def test_a_damaged_last_line_is_passed_over(run: Path, report: Report) -> None:
    before = report(run).text
    with (run / "metrics.jsonl").open("ab") as log:
        log.write(b'{"step": 6, "cycle_a": 0.\xff')
    assert report(run).text == before


def test_nothing_gets_in_through_files(run: Path, report: Report) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    evil = Path(run.parent / "<b onclick='x'>run & co")
    run.rename(evil)
    recipe = evil / "recipe.toml"
    recipe.write_text(
        re.sub(r"summary = .*", f"summary = '{hostile}'", recipe.read_text(), count=1)
    )
    with (evil / "metrics.jsonl").open("a") as log:
        log.write(json.dumps({"step": 6, hostile: 1.0, "x": hostile}) + "\n")
        log.write(json.dumps({"step": 6, "evaluation": {hostile: {hostile: 1.0}}}) + "\n")
    info = json.loads((evil / "run.json").read_text()) | {"device": hostile, "torch": hostile}
    (evil / "run.json").write_text(json.dumps(info))
    (evil / "skipped.txt").write_text(f"{hostile}\n")
    (evil / "preview.json").write_text(json.dumps({hostile: [hostile.replace("/", "")]}))
    sample = evil / "samples" / "step-00000004"
    (sample / f"{hostile.replace('/', '')}.png").write_bytes(PNG)
    (sample / "a\udcffb.mid").write_bytes(b"MThd")
    (file,) = (evil / "evaluations").iterdir()
    report_of = json.loads(file.read_text())
    report_of["baselines"][hostile] = report_of["baselines"]["identity"]
    file.with_name(f"step-00000004-{hostile.replace('/', '')}.json").write_text(
        json.dumps(report_of)
    )
    page = report(evil)
    assert page.all("h1")[0][1] == evil.name
    assert hostile in page.all("p")[0][1], "shown as it is"
    policy = page.all("meta")[1][0]["content"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_links_are_not_followed(run: Path, report: Report, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(PNG + b"secret")
    (run / "samples/step-00000004/link.png").symlink_to(tmp_path / "secret")
    assert base64.b64encode(PNG + b"secret").decode() not in report(run).text


def test_what_is_too_large_is_left_out(run: Path, report: Report) -> None:
    with (run / "samples/step-00000000/huge.png").open("wb") as huge:
        huge.truncate(21 * 2**20)
    page = report(run)
    assert "1 files (21.0 MiB) are left out" in page.text
    assert len(page.all("img")) == 2


def test_many_lines_and_odd_values(run: Path, report: Report) -> None:
    lines = [
        {"step": step, "cycle_a": math.sin(step) + 2, "odd": [1e308, -1e308, math.nan][step % 3],
         "flat": 7, "huge": 10**400, "tiny": 1e-320, "words": "x", "truth": True}
        for step in range(1, 5001)
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run / "metrics.jsonl").write_text(text + '{"step": -1}\n{"step": "3"}\n[]\n')
    page = report(run)
    picture, (curve,) = chart(page, "Cycle")[0]
    drawn = values(picture, curve)
    assert len(drawn) == 400
    assert sum(drawn) / len(drawn) == pytest.approx(2, abs=0.02)
    assert "5,000 lines of the log, in 400 means" in page.text
    assert not re.search(
        r"\d(nan|inf)|[\",](nan|inf)", "".join(re.findall("<svg.*?</svg>", page.text))
    )
    titles = {text for _, text in page.all("figcaption")}
    assert {"Odd", "Flat", "Tiny"} <= titles
    assert not {"Words", "Truth"} & titles


def test_needs_neither_the_plugin_nor_torch(run: Path) -> None:
    info = json.loads((run / "run.json").read_text())
    info["plugin"] = {"name": "gone", "distribution": "gone-plugin", "version": "9.9"}
    (run / "run.json").write_text(json.dumps(info))
    code = (
        "import sys; from cyclekit.cli import cyclekit\n"
        f"cyclekit(['report', {str(run)!r}], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules and 'cyclekit_image' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gone (gone-plugin 9.9)" in (run / "report.html").read_text()


def test_where_it_goes(cli: Cli, run: Path, tmp_path: Path) -> None:
    done = cli("report", run, "-o", tmp_path / "pages" / "x.html")
    assert done.out == f"{tmp_path / 'pages' / 'x.html'}\n"
    assert (tmp_path / "pages" / "x.html").read_text().startswith("<!DOCTYPE html>")
    assert not (run / "report.html").exists()
    folder = cli("report", run, "-o", tmp_path)
    assert (folder.code, f"{tmp_path} is a folder" in folder.err) == (2, True)
    again = cli("report", run, "-o", tmp_path / "pages" / "x.html")
    assert again.code == 0, again.err
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"holiday")
    refused = cli("report", run, "-o", photo)
    assert (refused.code, photo.read_bytes()) == (2, b"holiday")
    assert f"{photo} is there already" in refused.err
    shown = cli("report", "--help").out
    assert "cyclekit report runs/00001-image-demo" in shown


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", None, "is no run: expected a folder that `cyclekit train` made"),
        ("run.json", "{", "run.json cannot be read"),
        ("recipe.toml", "steps = ", "recipe.toml cannot be read"),
        ("evaluations/step-00000009.json", "[]", "does not hold a JSON object"),
    ],
)
def test_what_cannot_be_read(
    cli: Cli, run: Path, file: str, content: str | None, said: str
) -> None:
    if content is None:
        (run / file).unlink()
    else:
        (run / file).write_text(content)
    done = cli("report", run)
    assert (done.code, said in done.err) == (1, True), done.err
    assert "Traceback" not in done.err
    assert cli("report", run.parent / "nowhere").code == 1


@pytest.mark.parametrize("place", ["samples/step-00000004", "skipped.txt", "recipe.toml"])
def test_a_run_that_leads_elsewhere_is_refused(
    run: Path, cli: Callable[..., Any], tmp_path: Path, place: str
) -> None:
    secret = tmp_path / "elsewhere"
    inside = run / place
    if inside.exists():
        inside.rename(secret)
    else:
        secret.write_text("secret")
    inside.symlink_to(secret)
    outcome = cli("report", run)
    assert outcome.code == 1
    assert f"{inside} is a link that leads out of the run" in outcome.err
    assert not (run / "report.html").exists()
