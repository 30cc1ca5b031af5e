"""What a service does under requests that mean it harm: ``hostile.py ADDRESS RUN DIRECTION FILE``.

The address is one that ``cyclekit serve`` listens on, on this machine. Every request is bounded,
and so is their number (``--requests``); beside them go good ones, whose times are told.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import struct
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

AT_ONCE = 200
EDGE = b"a-boundary"
FORM = "multipart/form-data"
Attack = Callable[[httpx.AsyncClient, str, bytes, random.Random], Awaitable[int]]


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few kilobytes that becomes a gigabyte and more."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 2) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def wrong_method(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    method = rng.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"])
    return (await client.request(method, to)).status_code


async def names(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    bad = rng.choice(
        ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/x", "a" * 5000, "\\..\\x",
         "a2b%00", "", "/etc/passwd", "file:///etc/passwd", "${HOME}", "a2b;rm -rf"],
    )  # fmt: skip
    where = rng.choice(["/v1/translate/{}/a2b", "/v1/translate/run/{}", "/v1/jobs/{}", "/{}",
                        "/gradio_api/file={}", "/gradio_api/{}", "/static/{}"])  # fmt: skip
    base = f"{urlsplit(to).scheme}://{urlsplit(to).netloc}"
    method = rng.choice(["GET", "POST"])
    return (await client.request(method, base + where.format(bad), content=file)).status_code


async def queries(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    query = rng.choice(
        ["suffix=/etc/passwd", "suffix=.exe", "checkpoint=../../x", "checkpoint=9999999999999999",
         "seed=-1", "seed=1e999", "path=/etc/passwd", "format=" + "x" * 3000, "wait=perhaps",
         "attributes=" + "," * 1500, "suffix=.png&suffix=.jpg", "%00=%00"],
    )  # fmt: skip
    return (await client.post(f"{to}?{query}", content=file)).status_code


async def types(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    kind = rng.choice(["text/html", "multipart/form-data", "application/json", "image/svg+xml",
                       "x" * 4000, "image/png; charset=\t", "application/x-pickle"])  # fmt: skip
    return (await client.post(to, content=file, headers={"content-type": kind})).status_code


async def rubbish(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    damaged = bytearray(file)
    for _ in range(rng.randrange(1, 20)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    content = rng.choice([rng.randbytes(3000), bytes(damaged), file[: len(file) // 2], b"", b"<?>"])
    return (await client.post(to, content=content)).status_code


async def large(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(70):  # more than a service takes unless it is told
            yield bytes(2**20)

    if rng.random() < 0.5:
        size = rng.choice([2**31, 2**63, 10**30])
        return await said(to, f"Content-Length: {size}\r\n\r\n".encode())
    return (await client.post(to, content=body())).status_code


async def bombs(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    return (await client.post(to, content=BOMB)).status_code


async def slow(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    async def body() -> AsyncIterator[bytes]:
        for byte in file[:5]:
            yield bytes([byte])
            await asyncio.sleep(0.2)

    return (await client.post(to, content=body())).status_code


async def said(to: str, rest: bytes, wait: bool = True) -> int:
    """Send what no library would; returns the status, 0 where none is waited for."""
    place = urlsplit(to)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n"
    writer.write(head.encode() + rest)
    await writer.drain()
    line = await reader.readline() if wait else b"HTTP/1.1 0"
    writer.close()
    return int(line.split()[1]) if line else -1


async def gone(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    """Says that it will send more, and goes away."""
    size = b"Content-Length: 99999\r\n\r\n"
    return await said(to, rng.choice([size + file[:100], size, b"\x16\x03\x01\x00 what"]), False)


async def page(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    """Speaks to the page's own addresses."""
    base = f"{urlsplit(to).scheme}://{urlsplit(to).netloc}"
    path = rng.choice(["/etc/passwd", "http://127.0.0.1:9/x", "../../etc/passwd"])
    data = {"path": path, "meta": {"_type": "gradio.FileData"}}
    content = rng.choice([{"data": [data], "fn_index": 2, "session_hash": "x"}, [[[]]], data])
    where = rng.choice(["queue/join", "run/translate", "call/translate", "component_server"])
    return (await client.post(f"{base}/gradio_api/{where}", json=content)).status_code


def part(named: str, content: bytes, more: str = "") -> bytes:
    """A part of a form, without what goes before it; ``named`` is what its disposition says."""
    return f"Content-Disposition: form-data{named}\r\n{more}\r\n".encode() + content


def form(*parts: bytes, between: bytes = EDGE, end: bytes = b"--\r\n") -> bytes:
    """The body of a form."""
    return b"".join(b"--" + between + b"\r\n" + each + b"\r\n" for each in parts) + (
        b"--" + between + end if end else b""
    )


async def forms(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    """Forms that say too much, or the wrong things; some hold a good file all the same."""
    name = rng.choice(
        ["../../etc/passwd", "/etc/passwd", "C:\\x.png", "..\\x", "x\0.png", "x" * 9000]
    )
    one, like = (part(f'; name="{field}"; filename="x.png"', file) for field in ("file", "like"))
    value = part('; name="file"', b"/etc/passwd")
    kind = rng.choice(["text/html", "image/x-icon", "/", "x" * 4000, "multipart/mixed; boundary=x"])
    content = rng.choice(
        [form(part(f'; name="file"; filename="{name}"', file)), form(one, one), form(value),
         form(one, part('; name="../file"; filename="x"', file)), form(part("", file)),
         form(part("; name; filename=", file)), form(one, value), form(*[one[:99]] * 5000),
         form(*[part(f'; name="{n}"', b"") for n in range(5000)]), form(one, like, like),
         form(part('; name="file"; filename="x"', file, f"Content-Type: {kind}\r\n")),
         form(part('; name="file"; filename="x"', file, f"X: {'x' * 2**20}\r\n")),
         form(part('; name="file"; filename="x"', file, "X: x\r\n" * 20_000)),
         form(part(f'; name="{"x" * 2**20}"; filename="x"', file))],
    )  # fmt: skip
    return await sent(client, to, content)


async def edges(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    """Forms of which nobody could tell where their parts begin or end."""
    whole = form(part('; name="file"; filename="x.png"', file))
    start = whole[: rng.randrange(len(whole))]
    content = rng.choice(
        [form(whole, end=b""), start, whole.replace(b"\r\n", b"\n"), whole.replace(EDGE, b"no"),
         EDGE, b"", b"--" + EDGE, form(end=b"--"), b"\r\n" * 9999 + whole, whole[2:], whole + whole,
         (b"\r\n--" + EDGE[:-1]) * 20_000, form(whole, between=b"")],
    )  # fmt: skip
    said = EDGE.decode()
    kind = rng.choice(
        [f"boundary={said}", f'boundary="{said}', "boundary=", "boundary=" + said * 500,
         f"boundary={said}; charset={rng.choice(['undefined', 'idna', 'hex', '../x', 'utf-16'])}",
         f"boundary*=utf-8''{said}", f"boundary={said}; boundary=x"],
    )  # fmt: skip
    return await sent(client, to, content, kind)


async def form_bombs(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    parts = rng.choice([[("file", BOMB), ("like", file)], [("file", file), ("like", BOMB)]])
    content = form(*(part(f'; name="{name}"; filename="x.png"', each) for name, each in parts))
    return await sent(client, to, content)


async def slow_form(client: httpx.AsyncClient, to: str, file: bytes, rng: random.Random) -> int:
    """A form that comes in pieces and has no end; or whoever sends it goes away."""
    whole = form(part('; name="file"; filename="x.png"', file))
    pieces = [whole[place : place + 40] for place in range(0, 200, 40)]

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(0.2)

    if rng.random() < 0.5:
        size = f"{FORM}; boundary={EDGE.decode()}\r\nContent-Length: 99999\r\n\r\n"
        return await said(to, f"Content-Type: {size}".encode() + whole, False)
    return await sent(client, to, body())


async def sent(
    client: httpx.AsyncClient,
    to: str,
    content: bytes | AsyncIterator[bytes],
    kind: str = f"boundary={EDGE.decode()}",
) -> int:
    """Send a form."""
    answer = await client.post(to, content=content, headers={"content-type": f"{FORM}; {kind}"})
    return answer.status_code


BOMB = bomb()
ATTACKS: dict[Attack, int] = {
    wrong_method: 15, names: 20, queries: 15, types: 10, rubbish: 20, large: 1, bombs: 1, slow: 8,
    gone: 10, page: 10, forms: 20, edges: 15, form_bombs: 1, slow_form: 5,
}  # fmt: skip
"""How many of each come among a hundred or so."""


async def attack(
    to: str, file: bytes, requests: int, seed: int = 0, at_once: int = AT_ONCE
) -> tuple[Counter[tuple[str, int]], list[float]]:
    """Attack a service, and use it meanwhile.

    Returns:
        How often each kind of attack had each status (0: none, -1: the connection broke), and the
        seconds that each good request took which was answered.
    """
    told: Counter[tuple[str, int]] = Counter()
    times: list[float] = []
    rng = random.Random(seed)
    kinds = [kind for kind, weight in ATTACKS.items() for _ in range(weight)]
    turns = itertools.islice(iter(lambda: rng.choice(kinds), None), requests)
    limits = httpx.Limits(max_connections=at_once + 1)
    async with httpx.AsyncClient(limits=limits, timeout=300, trust_env=False) as client:

        async def hostile() -> None:
            for kind in turns:
                try:
                    status = await kind(client, to, file, random.Random(rng.random()))
                except (httpx.HTTPError, httpx.InvalidURL, OSError):
                    status = -1
                told[kind.__name__, status] += 1

        async def good() -> None:
            while not attacked.done():
                began = time.perf_counter()
                try:
                    status = (await client.post(to, content=file)).status_code
                except httpx.HTTPError:
                    status = -1
                told["good", status] += 1
                if status == 200:
                    times.append(time.perf_counter() - began)
                await asyncio.sleep(0.05)

        attacked = asyncio.gather(*(hostile() for _ in range(min(at_once, requests))))
        await asyncio.gather(attacked, good())
    return told, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="such as http://127.0.0.1:7860")
    parser.add_argument("run")
    parser.add_argument("direction")
    parser.add_argument("file", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    given = parser.parse_args()
    if urlsplit(given.address).hostname not in ("127.0.0.1", "localhost", "::1"):
        parser.error("only a service on this machine is attacked")
    to = f"{given.address}/v1/translate/{given.run}/{given.direction}"
    began = time.perf_counter()
    told, times = asyncio.run(attack(to, given.file.read_bytes(), given.requests))
    seconds = time.perf_counter() - began
    print(
        f"| {given.requests:,} requests in {seconds:.0f} s | status | answers |\n"
        "| --- | --- | --- |"
    )
    for (kind, status), count in sorted(told.items()):
        print(f"| {kind} | {status} | {count} |")
    if len(times) > 1:
        p99 = statistics.quantiles(times, n=100)[98]
        print(f"\n{len(times)} good ones: p50 {statistics.median(times):.3f} s, p99 {p99:.3f} s")


if __name__ == "__main__":
    main()
