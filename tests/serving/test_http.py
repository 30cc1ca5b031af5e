"""The HTTP service: files in, files out, and the right word for whatever is wrong."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import Cli, draw, results

httpx = pytest.importorskip("httpx", reason="needs httpx")
pytest.importorskip("prometheus_client", reason="needs cyclekit[serve]")
pytest.importorskip("fastapi", reason="needs cyclekit[serve]")

from serving_support import (  # noqa: E402
    KINDS,
    ODD,
    RECIPE,
    SETS,
    serving,
    train_attributes,
    train_coded,
    train_kinds,
)

from cyclekit.cli import main  # noqa: E402
from cyclekit.serving.app import make_app  # noqa: E402
from cyclekit.serving.guard import Guard  # noqa: E402
from cyclekit.serving.limits import MEBIBYTE, Limits  # noqa: E402
from cyclekit.serving.running import LOCAL  # noqa: E402
from cyclekit.serving.service import Service  # noqa: E402

pytestmark = pytest.mark.slow
LIMITS = Limits(bytes=100_000, positions=100 * 100, seconds=30, queue=8)
TOKEN = "a token of more than sixteen letters"


@pytest.fixture(scope="module")
def pictures(trained: Path) -> Iterator[tuple[str, Service]]:
    with serving(trained, LIMITS) as found:
        yield found


@pytest.fixture
def client(pictures: tuple[str, Service]) -> Iterator["httpx.Client"]:
    with httpx.Client(base_url=pictures[0], trust_env=False, timeout=300) as client:
        yield client


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Service]]:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd.py").write_text(ODD)
    (folder / "odd.toml").write_text(RECIPE)
    main(["train", f"--plugin={folder}/odd.py", f"--recipe={folder}/odd.toml",
          f"--run-dir={folder}/run", "--accelerator=cpu"])  # fmt: skip
    limits = Limits(seconds=120, memory=900 * MEBIBYTE, queue=2)
    with serving(folder / "run", limits) as found:
        yield found


def test_the_answer_is_what_translate_writes(
    client: "httpx.Client", cli: Cli, trained: Path, tmp_path: Path
) -> None:
    file = draw(tmp_path / "x.png", 0, (40, 52))
    assert cli("translate", trained, file, "-o", tmp_path / "out", "--direction=a2b").code == 0
    (written,) = results(tmp_path / "out")
    answer = client.post("/v1/translate/trained/a2b", content=file.read_bytes())
    assert answer.status_code == 200, answer.text
    assert answer.content == written.read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-cyclekit-checkpoint"] == "4"
    jpeg = client.post("/v1/translate/trained/b2a?format=jpeg&checkpoint=2", content=answer.content)
    assert jpeg.headers["content-type"] == "image/jpeg"
    assert jpeg.headers["x-cyclekit-checkpoint"] == "2"


def test_files_that_are_sent_at_once_are_answered_each(
    client: "httpx.Client", pictures: tuple[str, Service], tmp_path: Path
) -> None:
    files = [draw(tmp_path / f"{n}.png", n).read_bytes() for n in range(6)]

    async def all_at_once() -> list["httpx.Response"]:
        async with httpx.AsyncClient(trust_env=False, timeout=300) as other:
            where = f"{pictures[0]}/v1/translate/trained/a2b"
            return await asyncio.gather(*(other.post(where, content=file) for file in files))

    together = asyncio.run(all_at_once())
    assert [answer.status_code for answer in together] == [200] * 6
    assert len({answer.content for answer in together}) == 6
    alone = client.post("/v1/translate/trained/a2b", content=files[3]).content
    assert len(alone) == pytest.approx(len(together[3].content), rel=0.05)
    wait_until(lambda: not list(pictures[1].folder.iterdir()))  # nothing is left behind


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/translate/nobody/a2b", 404),
        ("POST", "/v1/translate/trained/a2c", 404),
        ("POST", "/v1/translate/trained/..%2f..%2fetc", 404),
        ("POST", "/v1/translate/../../etc/passwd", 404),
        ("POST", "/v1/translate/trained/a2b?checkpoint=3", 404),
        ("POST", "/v1/translate/trained/a2b?checkpoint=../latest", 422),
        ("POST", "/v1/translate/trained/a2b?format=exe", 422),
        ("POST", "/v1/translate/trained/a2b?suffix=/etc/passwd", 422),
        ("POST", "/v1/translate/trained/a2b?suffix=.exe", 415),
        ("POST", "/v1/translate/trained/a2b?path=/etc/passwd", 422),
        ("POST", "/v1/translate/trained/a2b?attributes=Male", 422),
        ("GET", "/v1/translate/trained/a2b", 405),
        ("PUT", "/v1/models", 405),
        ("GET", "/v1/jobs/nothing", 404),
        ("GET", "/docs", 404),
    ],
)
def test_what_is_asked_wrongly_is_said(
    client: "httpx.Client", tmp_path: Path, method: str, path: str, status: int
) -> None:
    file = draw(tmp_path / "x.png", 0).read_bytes()
    answer = client.request(method, path, content=None if method == "GET" else file)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert "passwd" not in answer.text


def test_files_that_cannot_be_taken(client: "httpx.Client", tmp_path: Path) -> None:
    def status(content: bytes, kind: str = "") -> int:
        headers = {"content-type": kind} if kind else {}
        answer = client.post("/v1/translate/trained/a2b", content=content, headers=headers)
        assert str(tmp_path.parent) not in answer.text
        return int(answer.status_code)

    good = draw(tmp_path / "x.png", 0).read_bytes()
    large = draw(tmp_path / "large.png", 0, (101, 100)).read_bytes()
    assert status(good, "image/png") == 200
    assert status(good, "application/x-www-form-urlencoded") == 200
    # What it is counts for more than what it is called.
    assert {status(good, kind) for kind in ("image/jpeg", "video/mp4", "text/html", "x/y")} == {200}
    assert status(b"<html>no picture</html>", "image/png") == 422
    assert status(b"<html>no picture</html>", "text/html") == 415
    assert status(b"MThd and more", "audio/midi") == 415
    assert status(good, "multipart/form-data; boundary=x") == 422
    assert status(good, "multipart/form-data") == 422
    for letters in ("undefined", "idna", "hex", "../x"):
        kind = f"multipart/form-data; boundary=x; charset={letters}"
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="\xff"\r\n\r\n'
        assert status(form + good + b"\r\n--x--\r\n", kind) in (200, 422)
    assert status(b"") == 422
    assert status(b"nothing that anybody could read") == 422
    assert status(good[: len(good) // 2]) == 422
    assert status(large) == 413
    assert status(bytes(LIMITS.bytes + 1)) == 413
    chunks = (bytes(1000) for _ in range(200))  # nobody says how many there will be
    assert client.post("/v1/translate/trained/a2b", content=chunks).status_code == 413


def test_what_there_is_and_how_it_goes(client: "httpx.Client", tmp_path: Path) -> None:
    (model,) = client.get("/v1/models").json()
    assert (model["run"], model["plugin"], model["step"]) == ("trained", "image", 4)
    assert [way["name"] for way in model["directions"]] == ["a2b", "b2a"]
    assert client.get("/health").json()["status"] == "ok"
    described = client.get("/openapi.json").json()
    assert "/v1/translate/{run}/{direction}" in described["paths"]
    client.post("/v1/translate/trained/a2b", content=draw(tmp_path / "x.png", 0).read_bytes())
    client.post("/v1/translate/somebody-else/a2b", content=b"x")
    figures = client.get("/metrics").text
    assert 'cyclekit_requests_total{run="trained",status="200"}' in figures
    assert 'run="unknown",status="404"' in figures
    assert "somebody-else" not in figures


def test_jobs_that_nobody_waits_for(client: "httpx.Client", tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0).read_bytes()
    answer = client.post("/v1/translate/trained/a2b?wait=false", content=file)
    assert answer.status_code == 202
    where = answer.headers["location"]
    end = time.monotonic() + 30
    while client.get(where).json()["state"] != "done":
        assert time.monotonic() < end
        time.sleep(0.05)
    made = client.get(f"{where}/result")
    waited = client.post("/v1/translate/trained/a2b", content=file)
    assert made.content == waited.content
    assert client.delete(where).status_code == 204
    assert client.get(where).status_code == 404


def test_who_may_ask(pictures: tuple[str, Service]) -> None:
    service = pictures[1]

    async def status(guard: Guard, path: str, method: str = "GET", **headers: str) -> int:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as other:
            return int((await other.request(method, path, headers=headers)).status_code)

    async def all_of_them() -> None:
        app = make_app(service)
        shut = Guard(app, service, (), TOKEN, service.folder / "page")
        assert await status(shut, "/health") == 200
        assert await status(shut, "/v1/models") == 401
        assert await status(shut, "/metrics", authorization="Bearer another") == 401
        assert await status(shut, "/v1/models", authorization="Basic %%%") == 401
        assert await status(shut, "/v1/models", authorization=f"Bearer {TOKEN}") == 200
        import base64

        password = base64.b64encode(f"me:{TOKEN}".encode()).decode()
        assert await status(shut, "/v1/models", authorization=f"Basic {password}") == 200
        local = Guard(app, service, LOCAL, "", service.folder / "page")
        assert await status(local, "/v1/models") == 200
        assert await status(local, "/v1/models", host="evil.example") == 403
        post = "/v1/translate/trained/a2b"
        assert await status(local, post, "POST", origin="http://evil.example") == 403
        assert await status(local, post, "POST", origin="http://localhost") == 422  # empty
        assert await status(local, "/gradio_api/file=/etc/passwd") == 404
        assert await status(local, "/gradio_api/proxy=http://evil.example") == 404

    asyncio.run(all_of_them())


def test_what_takes_too_much_ends_its_worker_alone(odd: tuple[str, Service]) -> None:
    where = f"{odd[0]}/v1/translate/run/a2b"

    def ask(content: str) -> "httpx.Response":
        return httpx.post(where, content=content, trust_env=False, timeout=300)

    assert ask("numbers").status_code == 200
    resident, limits = odd[1].residents["run"], odd[1].limits
    for content, status, seconds in (("sleep 300", 504, 1.5), ("eat", 413, limits.seconds)):
        resident._limits = replace(limits, seconds=seconds)
        answer = ask(content)
        resident._limits = limits
        assert answer.status_code == status, answer.text
        assert ask("numbers").status_code == 200
    figures = httpx.get(f"{odd[0]}/metrics", trust_env=False).text
    for why in ("seconds", "memory"):
        assert f'cyclekit_workers_killed_total{{run="run",why="{why}"}} 1.0' in figures


def wait_until(there: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_queue_has_an_end_and_innocents_are_not_punished(odd: tuple[str, Service]) -> None:
    where, answers = f"{odd[0]}/v1/translate/run/a2b", dict[str, "httpx.Response"]()

    def ask(name: str, content: str) -> Callable[[], None]:
        def run() -> None:
            answers[name] = httpx.post(where, content=content, trust_env=False, timeout=300)

        return run

    threads = []
    # The first keeps the worker busy; the next two wait, and go together; there is no more room.
    for name, content in (("first", "sleep 2"), ("good", "numbers"), ("bad", "die")):
        threads.append(threading.Thread(target=ask(name, content)))
        threads[-1].start()
        wait_until(lambda: odd[1].residents["run"].load == len(threads))
    full = httpx.post(where, content="numbers", trust_env=False)
    for thread in threads:
        thread.join()
    assert (full.status_code, full.headers["retry-after"]) == (503, "2")
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "first": 200, "good": 200, "bad": 500,
    }  # fmt: skip


def test_an_example_is_sent_beside_the_file(
    pictures: tuple[str, Service], folders: Path, cli: Cli, tmp_path: Path
) -> None:
    run = train_coded(folders, tmp_path / "coded")
    file, example = (draw(tmp_path / f"{n}.png", n, (40, 52)) for n in (0, 1))
    how = ("-o", tmp_path / "out", "--direction=a2b", f"--like={example}")
    assert cli("translate", run, file, *how).code == 0
    (written,) = results(tmp_path / "out")
    good, like = file.read_bytes(), example.read_bytes()
    large = draw(tmp_path / "large.png", 0, (101, 100)).read_bytes()
    with serving(run, LIMITS) as (address, service):

        def ask(at: str = f"{address}/v1/translate/coded/a2b", **fields: bytes) -> "httpx.Response":
            files = {name: (f"/etc/{name}.png", content) for name, content in fields.items()}
            return httpx.post(at, files=files, trust_env=False, timeout=300)

        (model,) = httpx.get(f"{address}/v1/models", trust_env=False).json()
        assert [way["examples"] for way in model["directions"]] == [True, False]
        answer = ask(file=good, like=like)
        assert answer.status_code == 200, answer.text
        assert answer.content == written.read_bytes()
        plain = httpx.post(
            f"{address}/v1/translate/coded/a2b?suffix=.png",
            content=good, trust_env=False, timeout=300,
        )  # fmt: skip
        assert ask(file=good).content == plain.content != answer.content
        for fields, status, said in [
            ({"like": like}, 422, "nothing else"),
            ({"file": good, "path": like}, 422, "nothing else"),
            ({"file": good, "like": b""}, 422, "like is empty"),
            ({"file": good, "like": like[: len(like) // 2]}, 422, "The example"),
            ({"file": good[: len(good) // 2], "like": like}, 422, "The file"),
            ({"file": good, "like": large}, 413, "The example"),
            ({"file": good, "like": bytes(LIMITS.bytes + 1)}, 413, "of each file"),
            ({"file": bytes(2 * LIMITS.bytes), "like": bytes(LIMITS.bytes)}, 413, "of each file"),
        ]:
            answer = ask(**fields)
            assert answer.status_code == status, answer.text
            assert said in answer.json()["error"]
        described = httpx.get(f"{address}/openapi.json", trust_env=False).json()
        body = described["paths"]["/v1/translate/{run}/{direction}"]["post"]["requestBody"]
        assert "like" in body["content"]["multipart/form-data"]["schema"]["properties"]
        wait_until(lambda: not list(service.folder.iterdir()))
    answer = ask(f"{pictures[0]}/v1/translate/trained/a2b", file=good, like=like)
    assert answer.status_code == 422
    assert "No code is found in an example" in answer.json()["error"]


def test_a_run_of_many_domains_has_a_way_to_each(cli: Cli, tmp_path: Path) -> None:
    run = train_kinds(tmp_path)
    file, out = draw(tmp_path / "x.png", 0), tmp_path / "out"
    assert cli("translate", run, file, "-o", out, "--from=plain", "--to=striped").code == 0
    (written,) = results(out)
    with serving(run, LIMITS) as (address, _):
        (model,) = httpx.get(f"{address}/v1/models", trust_env=False).json()
        ways = {(way["source"], way["target"]): way["name"] for way in model["directions"]}
        assert set(ways) == {(one, two) for one in KINDS for two in KINDS if one != two}
        made = {}
        for target in ("filled", "striped"):
            where = f"{address}/v1/translate/kinds/{ways['plain', target]}"
            answer = httpx.post(where, content=file.read_bytes(), trust_env=False, timeout=300)
            assert answer.status_code == 200, answer.text
            made[target] = answer.content
        assert made["filled"] != made["striped"] == written.read_bytes()


def test_several_attributes_are_set_at_once(cli: Cli, tmp_path: Path) -> None:
    run = train_attributes(tmp_path)
    file = draw(tmp_path / "x.png", 0)
    (tmp_path / "x.csv").write_text(f"file,{','.join(SETS)}\nx.png,0,1\n")
    out, table = tmp_path / "out", tmp_path / "x.csv"
    sets = [f"--set-attribute={name}={value}" for name, value in zip(SETS, (1, 0), strict=True)]
    done = cli("translate", run, file, "-o", out, f"--attributes={table}", *sets)
    assert done.code == 0, done.err
    (written,) = results(out)
    with serving(run, LIMITS) as (address, _):

        def ask(direction: str) -> "httpx.Response":
            where = f"{address}/v1/translate/attributes/{direction}?attributes={SETS[1]}"
            return httpx.post(where, content=file.read_bytes(), trust_env=False, timeout=300)

        answer = ask(f"{SETS[0]}=1,{SETS[1]}=0")
        assert answer.status_code == 200, answer.text
        assert answer.content == written.read_bytes()
        assert ask(f"{SETS[0]}=1").content != ask(f"{SETS[0]}=0").content
        assert ask(f"{SETS[0]}=1,{SETS[0]}=0").status_code == 422
        assert ask(f"{SETS[0]}=1,Odd=0").status_code == 404


def test_others_are_let_in_with_a_token_alone(cli: Cli, trained: Path) -> None:
    done = cli("serve", trained, "--host=0.0.0.0", "--port=0", "--no-page")
    assert done.code == 2
    assert "say --token" in done.err
