"""The page beside the HTTP service: gradio, kept from asking anybody else for anything."""

import os
from pathlib import Path

from fastapi import FastAPI

from cyclekit.serving.service import Service

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "GRADIO_SSR_MODE": "False",
}
"""What gradio reads when it is imported: else it tells its makers, and asks a hub."""


def with_page(app: FastAPI, service: Service, folder: Path) -> FastAPI:
    """An application with the page at its root.

    Args:
        app: The HTTP service.
        service: Does the work.
        folder: For all files of the page, private.
    """
    os.environ.update(QUIET | {"GRADIO_TEMP_DIR": str(folder)})
    from cyclekit.serving.blocks import mounted  # only now

    return mounted(app, service)
