"""A stand-in for a hub, on loopback: as much of its interface as pushing and fetching use."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """Repositories by name, each with its files by commit."""

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.asked: list[str] = []
        self.address = ""

    def commit(self, repository: str, files: dict[str, bytes]) -> str:
        """Files on top of those that are there; returns the commit."""
        there = self.commits.setdefault(repository, {})
        before = next(reversed(there.values()), {})
        content = before | files
        number = hashlib.sha1(repr((repository, len(there), sorted(content))).encode()).hexdigest()
        there[number] = content
        return number


@contextmanager
def hub() -> Iterator[Hub]:
    """A hub that listens on loopback."""
    held = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, content: object, status: int = 200, **headers: str) -> None:
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(raw)

        def do_POST(self) -> None:
            held.asked.append(f"POST {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            place = urlsplit(self.path).path
            if place == "/api/repos/create":
                told = json.loads(body)
                name = f"{told.get('organization') or 'me'}/{told['name'].split('/')[-1]}"
                held.commits.setdefault(name, {})
                self.answer({"url": f"{held.address}/{name}", "name": name})
            elif place == "/api/validate-yaml":
                self.answer({"errors": [], "warnings": []})
            elif "/preupload/" in place:
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self.answer({"files": files})
            elif "/commit/" in place:
                name = "/".join(place.split("/")[3:5])
                lines = [json.loads(line) for line in body.splitlines()]
                sent = {
                    line["value"]["path"]: base64.b64decode(line["value"]["content"])
                    for line in lines
                    if line["key"] == "file"
                }
                number = held.commit(name, sent)
                where = f"{held.address}/{name}/commit/{number}"
                self.answer({"commitUrl": where, "commitOid": number, "success": True})
            else:
                self.answer({"error": "not found"}, 404)

        def do_GET(self) -> None:
            held.asked.append(f"{self.command} {self.path}")
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                parts = parts[2:]
                there = held.commits.get("/".join(parts[:2]), {})
                last = next(reversed(there), None)
                number = parts[3] if parts[2:3] == ["revision"] and parts[3] != "main" else last
                if number not in there:
                    self.answer({"error": "no such revision"}, 404)
                    return
                files = [{"rfilename": n, "size": len(c)} for n, c in there[number].items()]
                name = "/".join(parts[:2])
                self.answer({"id": name, "modelId": name, "sha": number, "siblings": files})
            elif parts[2:3] == ["resolve"]:
                there = held.commits["/".join(parts[:2])]
                content = there[parts[3]]["/".join(parts[4:])]
                tag = hashlib.sha256(content).hexdigest()
                self.answer(content, ETag=f'"{tag}"', X_Repo_Commit=parts[3])
            else:
                self.answer({"error": "not found"}, 404)

        do_HEAD = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
