"""A server on loopback that keeps to the rules of HTTP only as far as a test wants it to."""

import hashlib
import io
import re
import stat
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TAG = '"1"'


@dataclass
class Answer:
    """What is served under a path.

    Attributes:
        content: The bytes.
        said: The length that is announced; ``None``: the true one; -1: none at all.
        cut: Bytes after which the connection ends, once for each number.
        ranges: Whether ranges are known.
        shift: By how much a range's beginning is wrong.
        status: Another status than 200, with nothing in it.
        to: Where it redirects to.
        kind: The content type.
        tag: The entity tag; empty: none.
        gate: Is waited for after the first part, where there is one.
    """

    content: bytes = b""
    said: int | None = None
    cut: list[int] = field(default_factory=list)
    ranges: bool = True
    shift: int = 0
    status: int = 200
    to: str = ""
    kind: str = "application/octet-stream"
    tag: str = TAG
    gate: threading.Event | None = None


class Server:
    """Serves answers by path, and remembers what it was asked.

    Attributes:
        answers: By path without the slash.
        asked: Every path, with the range that was asked for.
        url: Where it is.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str]] = []
        self.url = ""


@contextmanager
def serving() -> Iterator[Server]:
    """A server while the block runs."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            wanted = self.headers.get("Range", "")
            server.asked.append((path, wanted))
            answer = server.answers.get(path)
            if answer is None:
                self.send_error(404)
                return
            if answer.to or answer.status != 200:
                self.send_response(302 if answer.to else answer.status)
                if answer.to:
                    self.send_header("Location", answer.to)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.close_connection = True
            self._send(answer, wanted)

        def _send(self, answer: Answer, wanted: str) -> None:
            begin, content = 0, answer.content
            told = re.fullmatch(r"bytes=(\d+)-", wanted) if answer.ranges else None
            if told and self.headers.get("If-Range", answer.tag) == answer.tag:
                begin = int(told[1])
                if begin >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                last = len(content) - 1
                self.send_header(
                    "Content-Range", f"bytes {begin + answer.shift}-{last}/{len(content)}"
                )
            else:
                self.send_response(200)
            sent = content[begin:]
            if answer.said != -1:
                self.send_header("Content-Length", str(answer.said or len(sent)))
            self.send_header("Content-Type", answer.kind)
            if answer.tag:
                self.send_header("ETag", answer.tag)
            self.end_headers()
            if answer.cut:
                sent = sent[: answer.cut.pop(0)]
            if answer.gate:
                self.wfile.write(sent[: len(sent) // 2])
                self.wfile.flush()
                answer.gate.wait(30)
                sent = sent[len(sent) // 2 :]
            self.wfile.write(sent)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def zipped(files: Mapping[str, bytes], modes: Mapping[str, int] | None = None) -> bytes:
    """A zip archive; modes are those of ``stat``."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = ((modes or {}).get(name) or stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)
    return made.getvalue()


def tarred(files: Mapping[str, bytes | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    """A tar archive; where there is a ``TarInfo`` it is what is there instead of a file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            if isinstance(content, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                archive.addfile(content)
    return made.getvalue()


def special(name: str, kind: bytes, to: str = "") -> tarfile.TarInfo:
    """A link or a device in a tar archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def catalogue(folder: Path, server: Server, archive: str, more: str = "", **known: object) -> Path:
    """A plugin file with one published set, called ``toys``, on a server; returns the file.

    Args:
        folder: Where it is written.
        server: Has the archive.
        archive: Its name.
        more: Further lines of the set's table.
        known: What is known of the archive, such as its checksum.
    """
    folder.mkdir(exist_ok=True)
    plugin = folder / "playthings.py"
    plugin.touch()
    said = "".join(f", {key} = {value!r}" for key, value in known.items()).replace("'", '"')
    (folder / "playthings.datasets.toml").write_text(
        f"""[sets.toys]
summary = "Balls and blocks"
licence = "CC0"
citation = "Nobody, Toys, 2026"
archives = [{{ file = "{archive}", mirrors = ["{server.url}"]{said} }}]
{more}
"""
    )
    return plugin
