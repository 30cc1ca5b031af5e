"""A service from its start to the last answer."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cyclekit.console import Console
from cyclekit.errors import UsageError
from cyclekit.serving.app import make_app
from cyclekit.serving.guard import Guard
from cyclekit.serving.limits import Limits
from cyclekit.serving.service import Service, names_of
from cyclekit.temporary import temporary_folder
from cyclekit.translating.sharing import Opening

LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})
SHORTEST = 16  # characters of a token
CONNECTIONS = 512
HEAD = 10.0  # seconds that the head of a request may take
LAST = 3  # seconds for what is open when everything begun is answered, such as pages


def serve(
    openings: Sequence[Opening],
    host: str,
    port: int,
    token: str,
    limits: Limits,
    page: bool,
    console: Console,
) -> None:
    """Answer requests until somebody ends the process; what was begun by then is finished.

    Args:
        openings: How each run is opened.
        host: Address to listen on.
        port: Likewise; 0: any that is free.
        token: What everybody has to know who asks; empty: nothing.
        limits: What requests may take.
        page: Whether there is a page for people as well.
        console: Is told where the service is, and of what goes wrong.

    Raises:
        UsageError: If the address cannot be used, or is open to others without a token.
        CyclekitError: If a run cannot be opened.
    """
    local = is_loopback(host)
    if not local and len(token) < SHORTEST:
        raise UsageError(
            f"--host {host} lets others in: say --token, with at least {SHORTEST} characters that "
            f"nobody can guess, or set CYCLEKIT_TOKEN."
        )
    with listen(host, port) as listener, temporary_folder() as folder:
        service = Service(names_of(list(openings)), limits, folder, console.warn)
        pages = folder / "page"
        try:
            service.start()
            app: Any = make_app(service)
            if page:
                from cyclekit.serving.page import with_page

                app = with_page(app, service, pages)
            hosts = LOCAL | {f"[{host}]" if ":" in host else host} if local else frozenset()
            server = Server(service, Guard(app, service, hosts, token, pages))
            _announce(console, service, listener, page)
            server.run([listener])
        finally:
            service.close(limits.seconds)


class Server(uvicorn.Server):
    """Answers requests, and when it is to end those that were begun.

    Args:
        service: Knows which.
        app: What answers them.
    """

    def __init__(self, service: Service, app: Any) -> None:
        config = uvicorn.Config(
            app,
            http=Impatient,
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=LAST,
        )
        super().__init__(config)
        self._service = service
        self._asked = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish what was begun, then end; whoever asks twice means at once."""
        if self._asked:
            self.should_exit = True
            return
        self._asked = True
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        limits = self._service.limits
        self._service.drain(2 * limits.seconds)
        self.should_exit = True


class Impatient(H11Protocol):
    """Closes connections on which the head of a request does not come to its end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Look at the connection from now on."""
        super().connection_made(transport)
        self._waited = False
        self._patience = self.loop.call_later(HEAD / 2, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop that."""
        self._patience.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next head from now on: what was looked at before was answered."""
        self._waited = False
        super().on_response_complete()

    def shutdown(self) -> None:
        """Let the last answers end; a page stays open as long as somebody looks at it, and is
        closed before the server would complain about it."""
        super().shutdown()
        self.loop.call_later(LAST - 1, self.transport.close)

    def _look(self) -> None:
        waits = self.conn.their_state is h11.IDLE
        if waits and self._waited:
            self.transport.close()
            return
        self._waited = waits
        self._patience = self.loop.call_later(HEAD / 2, self._look)


def is_loopback(host: str) -> bool:
    """Whether only this machine can ask for an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address.

    Raises:
        UsageError: If it cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"--host {host} --port {port}: {why}.") from error


def _announce(console: Console, service: Service, listener: socket.socket, page: bool) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    console.say(f"runs: {', '.join(service.residents)}")
    if page:
        console.say(f"page: {address}/")
    console.say(f"HTTP: {address}/v1/models, described in {address}/openapi.json")
