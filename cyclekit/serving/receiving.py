"""What comes with a request: a file as the body, or a form with a file and an example."""

import asyncio
import mimetypes
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from cyclekit.serving.limits import Limits, Refusal
from cyclekit.serving.service import Service
from cyclekit.serving.task import EXAMPLE, INPUT, Claim, Task
from cyclekit.storage.folder import Storage

ANY = ("", "application/octet-stream", "application/x-www-form-urlencoded")  # curl's word for any
FORM = "multipart/form-data"
FILE, LIKE = "file", "like"
FRAME = 64 * 1024  # bytes that a form has besides its files

_BINARY = {"type": "string", "format": "binary"}
BYTES: dict[str, Any] = {"application/octet-stream": {"schema": _BINARY}}
BODY: dict[str, Any] = BYTES | {
    FORM: {
        "schema": {
            "type": "object",
            "properties": {
                FILE: _BINARY,
                LIKE: _BINARY | {"description": "An example of the target, whose code is taken"},
            },
            "required": [FILE],
            "additionalProperties": False,
        }
    }
}
"""What OpenAPI says of a file that comes back, and of one that is sent."""

ClaimOf = Callable[[str], Claim]
"""``Content-Type`` -> what it says."""


def is_form(content_type: str) -> bool:
    """Whether a request's file comes in a form."""
    return _kind(content_type).startswith("multipart/")


def claim_of(asked: str | None, content_type: str, can: Mapping[str, Any]) -> Claim:
    """What a file is said to be.

    Args:
        asked: The suffix that whoever sends it asks for.
        content_type: The file's.
        can: What the run can do.
    """
    if asked is not None:
        return Claim(asked.lower())
    kind = _kind(content_type)
    if kind in ANY:
        return Claim()
    group, _, name = kind.partition("/")
    others = (kind, f"{group}/x-{name}", f"{group}/{name.removeprefix('x-')}")
    guesses = [guess for one in others for guess in mimetypes.guess_all_extensions(one)]
    return Claim.of(guesses, can.get("suffixes", []))


async def receive(request: Request, service: Service, task: Task, claim_of: ClaimOf) -> int:
    """Write what is sent into a task's folder; returns how many bytes its files have.

    Raises:
        Refusal: If it is too much, too slow, or not what was expected.
    """
    if is_form(request.headers.get("content-type", "")):
        return await _receive_form(request, service, task, claim_of)
    size = 0
    async with service.receiving():
        with Storage(task.folder).writing(task.file.name) as file:
            async for chunk in _bounded(request, service.limits, service.limits.bytes):
                size += len(chunk)
                file.write(chunk)
    if not size:
        raise Refusal(422, "The body is empty: send the file's bytes.")
    return size


async def _receive_form(request: Request, service: Service, task: Task, claim_of: ClaimOf) -> int:
    """The same of a form; the task's files are then called by their kinds."""
    limits = service.limits
    stream = _bounded(request, limits, 2 * limits.bytes + FRAME)
    parser = MultiPartParser(request.headers, stream, max_files=2, max_fields=0)
    async with service.receiving():
        try:
            form = await parser.parse()
        except (MultiPartException, ValueError) as error:  # of letters that it says it is in
            raise _unlike_form() from error
    try:
        sent = _files_of(form, limits)
        task.file = task.place(INPUT, claim_of(sent[FILE].content_type or ""))
        places = {FILE: task.file}
        if LIKE in sent:
            task.like = task.place(EXAMPLE, claim_of(sent[LIKE].content_type or ""))
            places[LIKE] = task.like
        for field, place in places.items():
            with Storage(task.folder).writing(place.name) as file:
                await asyncio.to_thread(shutil.copyfileobj, sent[field].file, file)
    finally:
        await form.close()
    return sum(each.size or 0 for each in sent.values())


def _files_of(form: FormData, limits: Limits) -> dict[str, UploadFile]:
    """A form's files by their fields.

    Raises:
        Refusal: If there are others, or they are too large, or have nothing in them.
    """
    sent = {field: file for field, file in form.multi_items() if isinstance(file, UploadFile)}
    if len(sent) < len(form.multi_items()) or FILE not in sent or not set(sent) <= {FILE, LIKE}:
        raise _unlike_form()
    for field, file in sent.items():
        if not file.size:
            raise Refusal(422, f"The form's field {field} is empty: send the file's bytes.")
        if file.size > limits.bytes:
            raise _too_much(limits)
    return sent


async def _bounded(request: Request, limits: Limits, most: int) -> AsyncGenerator[bytes, None]:
    """What is sent, as long as it is not too much.

    Raises:
        Refusal: As soon as it is, or is announced to be.
    """
    announced, size = request.headers.get("content-length", "0"), 0
    if len(announced) > 15 or (announced.isdecimal() and int(announced) > most):
        raise _too_much(limits)
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_much(limits)
        yield chunk


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _too_much(limits: Limits) -> Refusal:
    return Refusal(413, f"At most {limits.bytes:,} bytes are taken, of each file.")


def _unlike_form() -> Refusal:
    said = f"A form has the file's bytes as {FILE} and, if its code is wanted, an example's as "
    return Refusal(422, f"{said}{LIKE}; nothing else.")
