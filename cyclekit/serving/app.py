"""The HTTP service: files in, files out."""

import asyncio
import mimetypes
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from cyclekit.serving.figures import TYPE
from cyclekit.serving.guard import refused
from cyclekit.serving.limits import Refusal, busy
from cyclekit.serving.receiving import BODY, BYTES, claim_of, is_form, receive
from cyclekit.serving.service import Service
from cyclekit.serving.task import Task, Translated, Wish
from cyclekit.version import package_version

MOST_JOBS = 64  # that are remembered
KEPT = 600.0  # seconds that a job's result is kept


class Error(BaseModel):
    """Why a request was not done."""

    error: str


class Asked(BaseModel):
    """How a file is to be translated."""

    model_config = ConfigDict(extra="forbid")

    format: Annotated[str, Field(max_length=40)] | None = None
    """What the result is written as; `/v1/models` lists them."""
    suffix: Annotated[str, Field(pattern=r"^\.[A-Za-z0-9]{1,12}$")] | None = None
    """Of which kind the file is, such as `.csv`, where neither content nor Content-Type says so."""
    checkpoint: Annotated[str, Field(pattern=r"^(latest|best|[0-9]{1,15})$")] | None = None
    """`latest`, `best` or a step; without it, the one that the service was started with."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Chooses the latent code, of runs that have some."""
    attributes: Annotated[str, Field(max_length=2000)] | None = None
    """Those that the file's item has, separated by commas, of runs that know some."""
    wait: bool = True
    """False: answer at once, with the address of a job."""

    def wish(self, direction: str, checkpoint: str) -> Wish:
        """The same in the workers' words.

        Args:
            direction: Which way.
            checkpoint: That of a service that was asked for none.
        """
        named = None if self.attributes is None else self.attributes.split(",")
        attributes = None if named is None else tuple(sorted({n.strip() for n in named} - {""}))
        asked = self.checkpoint or checkpoint
        return Wish(direction, asked, self.format, self.seed, attributes)


class Job(BaseModel):
    """How far a translation is that nobody waits for."""

    job: str
    state: Literal["waiting", "running", "done", "failed"]
    done: int = 0
    total: int = 0
    error: str | None = None


@dataclass
class _Kept:
    task: Task
    since: float


class Jobs:
    """Translations that nobody waits for, by names that nobody can guess."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: dict[str, _Kept] = {}

    def require_room(self) -> None:
        """Forget what is old, and refuse where that is not enough.

        Raises:
            Refusal: If too many are remembered.
        """
        for name, kept in list(self._kept.items()):
            if kept.task.outcome.done() and time.monotonic() - kept.since > KEPT:
                self.forget(name)
        if len(self._kept) >= MOST_JOBS:
            raise busy(f"{MOST_JOBS} jobs are remembered already. Fetch or delete some.")

    def keep(self, task: Task) -> str:
        """Remember one."""
        name = secrets.token_urlsafe(18)
        self._kept[name] = _Kept(task, time.monotonic())
        return name

    def __getitem__(self, name: str) -> Task:
        """The one of that name.

        Raises:
            Refusal: If there is none.
        """
        if name not in self._kept:
            raise Refusal(404, "There is no such job. Results are kept for ten minutes.")
        return self._kept[name].task

    def forget(self, name: str) -> None:
        """Remove one with all that it left behind."""
        task = self[name]
        del self._kept[name]
        drop(self._service, task)

    def told(self, name: str) -> Job:
        """How far one is."""
        task = self[name]
        done, total = task.progress
        if not task.outcome.done():
            state: Literal["waiting", "running"] = (
                "running" if task.outcome.running() else "waiting"
            )
            return Job(job=name, state=state, done=done, total=total)
        error = task.outcome.exception()
        if error is not None:
            return Job(job=name, state="failed", error=str(error))
        return Job(job=name, state="done", done=total, total=total)


def make_app(service: Service) -> FastAPI:
    """The service's addresses under ``/v1``, health and figures.

    Args:
        service: Does the work.
    """
    # No pages of documentation: theirs load scripts from elsewhere. /openapi.json is there.
    app = FastAPI(title="cyclekit", version=package_version(), docs_url=None, redoc_url=None)
    jobs = Jobs(service)
    _answer_refusals(app)
    _add_translation(app, service, jobs)
    _add_jobs(app, jobs)

    @app.get("/v1/models", summary="What there is to translate with")
    async def models() -> list[dict[str, Any]]:
        return [{"run": name, **run.described} for name, run in service.residents.items()]

    @app.get("/health", summary="Whether requests are taken", responses={503: {"model": Error}})
    async def health() -> dict[str, Any]:
        if service.closing:
            raise busy("The service is about to end.")
        return {"status": "ok", "runs": {n: run.load for n, run in service.residents.items()}}

    @app.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(service.figures.text(), media_type=TYPE)

    return app


def _add_translation(app: FastAPI, service: Service, jobs: Jobs) -> None:
    @app.post(
        "/v1/translate/{run}/{direction}",
        summary="Translate a file: its bytes are the body, and the answer's body is the result",
        description="An example, whose code is taken, is sent with the file in a form.",
        response_class=FileResponse,
        responses={
            200: {"content": BYTES, "description": "The translated file"},
            202: {"model": Job, "description": "With wait=false: where to ask how far it is"},
            **{code: {"model": Error} for code in (401, 404, 408, 413, 415, 422, 500, 503, 504)},
        },
        openapi_extra={"requestBody": {"required": True, "content": BODY}},
    )
    async def translate(
        request: Request, run: str, direction: str, asked: Annotated[Asked, Query()]
    ) -> Response:
        wish = asked.wish(direction, service.run(run).checkpoint)
        kind = request.headers.get("content-type", "")
        of = partial(claim_of, asked.suffix, can=service.run(run).described)
        claim = of("" if is_form(kind) else kind)  # a form says it of each file
        resident = service.require(run, wish, claim)
        if not asked.wait:
            jobs.require_room()
        task = service.prepare(wish, claim)
        handed = False
        try:
            service.figures.received(run, await receive(request, service, task, of))
            if task.like is not None:
                service.require_examples(run, direction)
            resident.submit(task)
            if not asked.wait:
                handed = True
                name = jobs.keep(task)
                where = {"Location": f"/v1/jobs/{name}"}
                return JSONResponse(jobs.told(name).model_dump(), 202, where)
            result = await outcome_of(request, task)
            handed = True
            return Sent(result, service, task)
        finally:
            if not handed:
                drop(service, task)


def _add_jobs(app: FastAPI, jobs: Jobs) -> None:
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Error}}

    @app.get("/v1/jobs/{job}", summary="How far a job is", responses=missing)
    async def job(job: str) -> Job:
        return jobs.told(job)

    @app.get(
        "/v1/jobs/{job}/result",
        summary="The translated file of a job that is done",
        response_class=FileResponse,
        responses=missing | {200: {"content": BYTES}, 409: {"model": Error}},
    )
    async def result(job: str) -> Response:
        task = jobs[job]
        if not task.outcome.done():
            raise Refusal(409, "This job is not done.")
        return Sent(task.outcome.result())

    @app.delete("/v1/jobs/{job}", summary="Forget a job", status_code=204, responses=missing)
    async def forget(job: str) -> None:
        jobs.forget(job)


class Sent(FileResponse):
    """A translated file on its way out, after which all that belongs to it is removed.

    Args:
        made: The translation.
        service: Removes what a task left behind; ``None``: it stays.
        task: Which.
    """

    def __init__(
        self, made: Translated, service: Service | None = None, task: Task | None = None
    ) -> None:
        headers = {
            "X-Cyclekit-Checkpoint": str(made.step),
            "X-Cyclekit-Seconds": f"{made.seconds:.4f}",
        }
        kind = mimetypes.guess_type(made.file.name)[0] or "application/octet-stream"
        super().__init__(made.file, headers=headers, media_type=kind, filename=made.file.name)
        self._service, self._task = service, task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI; a background task would not be run where nobody takes the file any more."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._service is not None and self._task is not None:
                drop(self._service, self._task)


def _answer_refusals(app: FastAPI) -> None:
    """Have everything that is refused look alike; nothing that was sent is repeated."""

    @app.exception_handler(Refusal)
    async def refusal(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return refused(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        wrong = (f"{fault['loc'][-1]!s:.40}: {fault['msg']}" for fault in error.errors()[:5])
        return refused(Refusal(422, "; ".join(wrong)))

    @app.exception_handler(HTTPException)
    async def other(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = refused(Refusal(error.status_code, str(error.detail)))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it


async def outcome_of(request: Request, task: Task) -> Translated:
    """Wait for a task, as long as somebody waits for its result.

    Raises:
        Refusal: Whatever became of it.
        ClientDisconnect: If nobody waits any more.
    """
    done = asyncio.wrap_future(task.outcome)
    gone = asyncio.ensure_future(_disconnected(request))
    waited: set[asyncio.Future[Any]] = {done, gone}
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not done.done():
        raise ClientDisconnect
    return done.result()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def drop(service: Service, task: Task) -> None:
    """Forget a task: at once, or, where a worker is at it, when that is done."""
    with suppress(Exception):
        task.outcome.cancel()
    task.outcome.add_done_callback(lambda _: service.discard(task))
