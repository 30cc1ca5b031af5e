"""Published weights by name: fetched once, known again, refused where they change."""

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from peers import ResNet, shaken
from support import Cli

from cyclekit.console import Console
from cyclekit.errors import CyclekitError
from cyclekit.importing.family import Published
from cyclekit.importing.zoo import fetch
from cyclekit.runs.records import read_json


class Server(ThreadingHTTPServer):
    content = b""
    asked = 0
    promised: int | None = None
    leads_to = ""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.leads_to:
            self.send_response(302)
            self.send_header("Location", self.server.leads_to)
            self.end_headers()
            return
        self.send_response(200 if self.server.content else 503)
        length = self.server.promised or len(self.server.content)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("cyclekit.datasets.download.WAIT", 0.0)
    made = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def published(server: Server, size: int) -> Published:
    url = f"http://127.0.0.1:{server.server_port}/a2b.pth"
    return Published("test", url, size, "one to other", "resnet", "no terms")


def test_by_name(server: Server, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    torch.save(shaken(ResNet()).state_dict(), file)
    server.content = file.getvalue()
    offered = replace(published(server, len(server.content)), name="horse2zebra")
    monkeypatch.setattr("cyclekit_image.importing.zoo.PUBLISHED", (offered,))
    for name in ("one", "two"):
        done = cli("import", "zoo:horse2zebra", "-o", tmp_path / name, "--plugin", "image")
        assert done.code == 0, done.err
        assert "no terms" in done.err
        (told,) = read_json(tmp_path / name / "import.json")["files"]
        assert told["sha256"] == hashlib.sha256(server.content).hexdigest()
        assert told["origin"] == offered.url
    assert server.asked == 1
    done = cli("import", "zoo:horse2zebr", "--plugin", "image")
    assert done.code == 2
    assert "Did you mean 'horse2zebra'" in done.err


def test_what_changed_is_refused(server: Server, tmp_path: Path) -> None:
    one, quiet = published(server, 1000), Console(quiet=True)
    server.content = b"1" * 1000
    file = fetch(one, tmp_path / "zoo", quiet)
    file.write_bytes(b"2" * 1000)  # damaged here: it is fetched again
    assert fetch(one, tmp_path / "zoo", quiet).read_bytes() == server.content
    file.unlink()
    server.content = b"3" * 1000
    with pytest.raises(CyclekitError, match="not what it was the first time"):
        fetch(one, tmp_path / "zoo", quiet)
    assert not file.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "promised", "leads_to", "said"),
    [
        (b"", None, "", "503"),
        (b"x" * 5000, None, "", "at most 1,500 were expected"),
        (b"x" * 900, 1000, "", "ended after 900 of 1,000 bytes"),
        (b"x", None, "file:///etc/passwd", "not allowed|no HTTP"),
    ],
)
def test_what_does_not_come_is_explained(
    content: bytes, promised: int | None, leads_to: str, said: str, server: Server, tmp_path: Path
) -> None:
    server.content, server.promised, server.leads_to = content, promised, leads_to
    with pytest.raises(CyclekitError, match=said):
        fetch(published(server, 1000), tmp_path / "zoo", Console(quiet=True))
    assert not (tmp_path / "zoo" / "test.pth").exists()


def test_all_that_was_published_is_known() -> None:
    from cyclekit_image.importing.zoo import PUBLISHED

    names = [one.name for one in PUBLISHED]
    assert len(names) == len(set(names)) == 18 + 5
    assert all(one.url.startswith("http://") and one.url.endswith(".pth") for one in PUBLISHED)
