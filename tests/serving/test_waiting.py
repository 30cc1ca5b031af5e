"""What takes long: files that come slowly, jobs that nobody fetches, films."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import draw

httpx = pytest.importorskip("httpx", reason="needs httpx")
pytest.importorskip("prometheus_client", reason="needs cyclekit[serve]")
pytest.importorskip("fastapi", reason="needs cyclekit[serve]")

from serving_support import serving  # noqa: E402

from cyclekit.serving import app  # noqa: E402
from cyclekit.serving.limits import Limits  # noqa: E402
from cyclekit.serving.service import Service  # noqa: E402

pytestmark = pytest.mark.slow
LIMITS = Limits(queue=1)  # and four files on their way
FORM = "multipart/form-data; boundary=x"
BEGINNING = b'--x\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nand so on'
FRAMES = 6
WAY = "/v1/translate/trained/a2b"


@pytest.fixture(scope="module")
def found(trained: Path) -> Iterator[tuple[str, Service]]:
    with serving(trained, LIMITS) as (address, service):
        yield address, service


@pytest.fixture
def client(found: tuple[str, Service]) -> Iterator["httpx.Client"]:
    with httpx.Client(base_url=found[0], trust_env=False, timeout=300) as client:
        yield client
    found[1].limits = LIMITS


async def answer_to_a_beginning(address: str, kind: str) -> tuple[int, str]:
    """What a service says to a file of a thousand bytes, of which few ever come.

    A socket, since a client that is still sending does not look whether it is answered.
    """
    url = httpx.URL(address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST {WAY} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Length: 1000\r\n"
    writer.write((head + (f"Content-Type: {kind}\r\n" if kind else "") + "\r\n").encode())
    writer.write(BEGINNING)
    answer = await reader.read()  # till the service closes
    writer.close()
    told, _, body = answer.partition(b"\r\n\r\n")
    return int(told.split()[1]), json.loads(body)["error"]


async def answers_to_beginnings(address: str, kinds: list[str]) -> list[tuple[int, str]]:
    """What it says to several at once."""
    return await asyncio.gather(*(answer_to_a_beginning(address, kind) for kind in kinds))


def test_a_file_has_its_time_to_come_and_holds_a_place_meanwhile(
    client: "httpx.Client", found: tuple[str, Service], tmp_path: Path
) -> None:
    found[1].limits = replace(LIMITS, seconds=5)
    told = sorted(asyncio.run(answers_to_beginnings(found[0], ["", FORM] * 3)))
    assert [status for status, _ in told] == [408, 408, 408, 408, 503, 503]
    assert all("did not come within 5 seconds" in error for _, error in told[:4])
    assert all("4 files are being sent already" in error for _, error in told[4:])
    found[1].limits = LIMITS
    good = draw(tmp_path / "x.png", 0).read_bytes()
    assert client.post(WAY, content=good).status_code == 200


def test_only_so_many_jobs_are_remembered(
    client: "httpx.Client", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_JOBS", 1)
    good = draw(tmp_path / "x.png", 0).read_bytes()
    first, second = (client.post(f"{WAY}?wait=false", content=good) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 503)
    client.delete(first.headers["location"])
    again = client.post(f"{WAY}?wait=false", content=good)
    assert again.status_code == 202
    client.delete(again.headers["location"])


def film(path: Path) -> Path:
    av = pytest.importorskip("av", reason="needs cyclekit[video]")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(FRAMES):
            grey = np.full((48, 64, 3), 30 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("kind", ["video/mp4", "application/octet-stream", "image/png"])
def test_a_film_is_one_whatever_it_is_called_and_says_how_far_it_is(
    client: "httpx.Client", tmp_path: Path, kind: str
) -> None:
    content = film(tmp_path / "x.mp4").read_bytes()
    headers = {"content-type": kind}
    begun = client.post(f"{WAY}?wait=false", content=content, headers=headers)
    where, end = begun.headers["location"], time.monotonic() + 300
    while (job := client.get(where).json())["state"] in ("waiting", "running"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert job["state"] == "done", job
    assert job["done"] == job["total"] > 0
    made = client.get(f"{where}/result").content
    assert made[4:8] == b"ftyp" or made.startswith(b"\x1aE\xdf\xa3")
    client.delete(where)
