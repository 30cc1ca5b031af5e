"""The page beside the HTTP service: gradio, kept from asking anybody else for anything."""

import os
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from cyclekit.serving.service import Service

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "GRADIO_SSR_MODE": "False",
}
"""What gradio reads when it is imported: else it tells its makers, and asks a hub."""


OWN = ("/v1/", "/health", "/metrics", "/openapi.json")
"""Addresses of the HTTP service; all others are the page's."""


def with_page(app: FastAPI, service: Service, folder: Path) -> ASGIApp:
    """An application with the page at its root.

    Args:
        app: The HTTP service.
        service: Does the work.
        folder: For all files of the page, private.
    """
    os.environ.update(QUIET | {"GRADIO_TEMP_DIR": str(folder)})
    from cyclekit.serving.blocks import mounted  # only now

    page = mounted(service)

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        # The page answers whatever it is asked: a wrong method would be a missing address.
        own = scope["type"] == "http" and scope["path"].startswith(OWN)
        await (app if own else page)(scope, receive, send)

    return either
