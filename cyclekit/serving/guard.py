"""Stands before everything that a service answers: who may ask, for what, with how much."""

import json
import os
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cyclekit.serving.figures import NOBODY
from cyclekit.serving.limits import MEBIBYTE, Refusal
from cyclekit.serving.service import Service

OPEN = ("/health",)  # to anybody who may ask
PAGES = "/gradio_api/"
PAGES_OWN = {
    "upload", "upload_progress", "queue", "heartbeat", "startup-events", "run", "reset", "cancel",
    "info",
}  # fmt: skip
"""What the page asks its server for; gradio offers more, which nobody needs here."""
FILE = "file="
LONGEST = 200  # characters of a name
MOST_JSON = MEBIBYTE  # of what the page says
WRITING = ("POST", "PUT", "PATCH", "DELETE")
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
)
"""Browsers fetch nothing from elsewhere for the page, whatever is in it."""

Bodies = Mapping[str, Any]


class Guard:
    """Middleware around the whole service.

    Args:
        app: What it stands before.
        service: Counts what is begun.
        hosts: Names by which the service may be asked for; empty: any. Another site's page could
            otherwise ask in the name of whoever looks at it.
        token: What everybody has to know; empty: nobody.
        pages: Folder of the page's files.
    """

    def __init__(
        self, app: ASGIApp, service: Service, hosts: Collection[str], token: str, pages: Path
    ) -> None:
        self._app = app
        self._service = service
        self._hosts = frozenset(hosts)
        self._token = token.encode()
        self._pages = Path(os.path.realpath(pages))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        began, status = time.monotonic(), 500
        path, counts = scope["path"], scope["path"].startswith("/v1/")

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _hardened(MutableHeaders(scope=message), counts)
            await send(message)

        self._service.begun += counts
        try:
            await self._guarded(scope, receive, answer)
        finally:
            self._service.begun -= counts
            if path.startswith("/v1/translate/"):
                run = path.split("/")[3]
                known = run if run in self._service.residents else NOBODY
                self._service.figures.answered(known, status, time.monotonic() - began)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._require_welcome(scope)
            if scope["path"].startswith(PAGES):
                receive = await self._of_page(scope, receive)
        except Refusal as refusal:
            await refused(refusal)(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, receive, send)

    def _require_welcome(self, scope: Scope) -> None:
        """Refuse who may not ask.

        Raises:
            Refusal: Saying why.
        """
        parts = scope["path"].split("/")
        if not scope["path"].isprintable() or max(map(len, parts)) > LONGEST:
            raise Refusal(404, "There is nothing of that name.")
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts and _name(host) not in self._hosts:
            raise Refusal(403, "This service is asked for by another name.")
        origin = headers.get("origin")
        if scope["method"] in WRITING and origin and urlsplit(origin).netloc != host:
            raise Refusal(403, "Another site's page may not ask.")
        if self._token and scope["path"] not in OPEN and not self._knows(headers):
            raise Refusal(401, "Say the service's token: Authorization: Bearer TOKEN.")

    def _knows(self, headers: Headers) -> bool:
        """Whether a request has the token: by itself, or as a browser's password."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            given = _password(given)
        elif kind.lower() != "bearer":
            return False
        return secrets.compare_digest(given.encode(), self._token)

    async def _of_page(self, scope: Scope, receive: Receive) -> Receive:
        """Look at what the page asks for, or somebody in its name.

        Raises:
            Refusal: If it is nothing that a page needs.
        """
        asked = unquote(scope["path"][len(PAGES) :])
        if asked.startswith(FILE):
            self._require_inside(asked[len(FILE) :])
            return receive
        if asked.partition("/")[0] not in PAGES_OWN:
            raise Refusal(404, "There is nothing of that name.")
        if scope["method"] not in WRITING:
            return receive
        most = MOST_JSON if not asked.startswith("upload") else self._service.limits.bytes * 2
        size = Headers(scope=scope).get("content-length", "0")
        if not size.isdecimal() or len(size) > 15 or int(size) > most:
            raise Refusal(413, f"At most {self._service.limits.bytes:,} bytes are taken.")
        if asked.startswith("upload"):
            return receive
        return await self._checked(Request(scope, receive), most)

    async def _checked(self, request: Request, most: int) -> Receive:
        """What the page says, once it is known to name no file but its own."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise Refusal(413, f"At most {most:,} bytes are taken.")
        try:
            content = json.loads(body or b"{}")
            for path in _named_paths(content):
                self._require_inside(path)
        except (ValueError, RecursionError) as error:
            raise Refusal(400, "This is no JSON.") from error
        told = False

        async def receive() -> Message:
            nonlocal told
            if told:
                return await request.receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        return receive

    def _require_inside(self, path: str) -> None:
        """Refuse files that are not the page's.

        Raises:
            Refusal: As if they were not there.
        """
        if "\0" in path or not Path(os.path.realpath(path)).is_relative_to(self._pages):
            raise Refusal(404, "There is no such file.")


def refused(refusal: Refusal) -> Response:
    """The answer to what was not done."""
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="cyclekit", charset="UTF-8"'
    if refusal.status in (408, 413, 415, 503):
        headers["Connection"] = "close"  # what else is sent is not read
    return JSONResponse({"error": str(refusal)}, refusal.status, headers)


def _hardened(headers: MutableHeaders, private: bool) -> None:
    headers["Content-Security-Policy"] = POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    if private:
        headers["Cache-Control"] = "no-store"


def _name(host: str) -> str:
    """The name of ``name:port``, which may be ``[::1]:port``."""
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0].lower()


def _password(given: str) -> str:
    import base64
    import binascii

    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _named_paths(content: Any) -> Iterator[str]:
    """Every file that something from a page names."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "path" and isinstance(value, str):
                yield value
            else:
                yield from _named_paths(value)
    elif isinstance(content, list):
        for value in content:
            yield from _named_paths(value)
