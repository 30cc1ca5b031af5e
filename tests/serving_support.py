"""A service in this process, its workers in theirs; a modality whose files say what to do."""

import csv
import ipaddress
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from support import draw, training

from cyclekit.cli import main
from cyclekit.serving.app import make_app
from cyclekit.serving.guard import Guard
from cyclekit.serving.limits import Limits
from cyclekit.serving.running import LOCAL, Server, listen
from cyclekit.serving.service import Service, names_of
from cyclekit.temporary import temporary_folder
from cyclekit.translating.sharing import Opening

ODD = '''
"""Files of numbers; some of them say what is to go wrong."""
import os
import time
import numpy as np
import torch
from cyclekit import api


class OddCodec(api.Codec):
    suffixes = frozenset({".odd"})

    def spec(self, domain):
        return api.TensorSpec(1, sizes=(None,), range=None)

    def load(self, path):
        word, _, rest = path.read_text(errors="replace").partition(" ")
        if word == "sleep":
            time.sleep(float(rest))
        elif word == "die":
            os._exit(3)
        elif word == "eat":
            eaten = []
            while True:
                eaten.append(np.ones(2**24))
                time.sleep(0.02)
        elif word != "numbers":
            raise api.BadSample(path, f"is none: {path}")
        return np.linspace(0, 1, 64, dtype=np.float32)

    def encode(self, item, domain):
        return api.Sample(torch.from_numpy(item)[None])

    def decode(self, tensor, domain, meta):
        return tensor[0].numpy()

    def save(self, item, path):
        path = path.with_suffix(".odd")
        path.write_text("numbers " + " ".join(f"{x:.5f}" for x in item))
        return path


def make_numbers(folder, seed):
    for split in ("trainA", "trainB", "testA", "testB"):
        (folder / split).mkdir(parents=True)
        for index in range(4):
            (folder / split / f"{index}.odd").write_text(f"numbers {index}")


@api.hookimpl
def cyclekit_modality():
    yield api.Modality("odd", api=2, summary="Odd files", codec=OddCodec,
                       generators=[api.RESNET], discriminators=[api.PATCHGAN],
                       datasets={"numbers": make_numbers})
'''

RECIPE = """
[data]
root = "builtin:numbers"
[generator]
channels = 2
blocks = 1
[discriminator]
channels = 2
layers = 1
[train]
steps = 1
preview_every = 0
evaluate_every = 0
"""

SETS = ("Striped", "Large and round")
TINY = {
    "codec.resize": 36,
    "codec.crop": 32,
    "generator.channels": 4,
    "generator.blocks": 1,
    "train.steps": 1,
    "train.batch_size": 2,
    "train.preview_every": 0,
    "train.evaluate_every": 0,
}


def train_coded(data: Path, run: Path) -> Path:
    """A run with several answers for each picture."""
    main(training("image", "augmented-demo", TINY)(data, run))
    return run


KINDS = ("filled", "plain", "striped")


def train_kinds(folder: Path) -> Path:
    """A run of ``KINDS``, each to each of the others by one generator."""
    for number, kind in enumerate(KINDS):
        for item in range(4):
            draw(folder / "data/train" / kind / f"{item}.png", 10 * number + item)
    settings: dict[str, object] = TINY | {
        "data.held_out": 0.25,
        "objective.domains": json.dumps(KINDS),
        "train.best": "{}",
    }
    run = folder / "kinds"
    main(training("image", "stargan-demo", settings)(folder / "data", run))
    return run


def train_attributes(folder: Path) -> Path:
    """A run that sets ``SETS``, of pictures that lie beside it."""
    rows = []
    for number in range(8):
        draw(folder / "data" / f"{number}.png", number)
        rows.append([f"{number}.png", number % 2, number // 2 % 2])
    with (folder / "data" / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", *SETS], *rows])
    settings: dict[str, object] = TINY | {
        "data.attributes": "list.csv",
        "data.held_out": 0.25,
        "objective.attributes": json.dumps(SETS),
        "objective.domains": [],
        "train.best": "{}",
    }
    run = folder / "attributes"
    main(training("image", "stargan-demo", settings)(folder / "data", run))
    return run


ELSEWHERE: list[str] = []
"""Machines that this process has asked for something, or tried to, besides this one."""


def _note(event: str, arguments: tuple[object, ...]) -> None:
    """See ``sys.addaudithook``."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
    elif event == "socket.getaddrinfo" and arguments[0]:
        host = str(arguments[0])
    else:
        return
    if host != "localhost" and not _is_loopback(host):
        ELSEWHERE.append(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


sys.addaudithook(_note)


@contextmanager
def serving(
    runs: Path | Sequence[Path], limits: Limits, page: bool = False
) -> Iterator[tuple[str, Service]]:
    """A service of one run, or several; yields its address, and what is behind it.

    It asks no other machine for anything, nor tries to.
    """
    ELSEWHERE.clear()
    openings = [
        Opening(run, "latest", "cpu") for run in ([runs] if isinstance(runs, Path) else runs)
    ]
    said: list[str] = []
    with listen("127.0.0.1", 0) as listener, temporary_folder() as folder:
        service = Service(names_of(openings), limits, folder, said.append)
        service.start()
        app = make_app(service)
        if page:
            from cyclekit.serving.page import with_page

            app = with_page(app, service, folder / "page")
        server = Server(service, Guard(app, service, LOCAL, "", folder / "page"))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        address = "http://{}:{}".format(*listener.getsockname()[:2])
        try:
            wait_for(address)
            yield address, service
        finally:
            server.should_exit = True
            thread.join()
            service.close(5)
    assert ELSEWHERE == []


def wait_for(address: str, seconds: float = 60.0) -> None:
    """Wait until a service answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            httpx.get(f"{address}/health", trust_env=False)
            return
        except httpx.TransportError:
            assert time.monotonic() < end, "the service does not answer"
            time.sleep(0.1)
