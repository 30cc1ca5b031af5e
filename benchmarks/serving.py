"""Files a second that a service answers, and ``translate``: ``serving.py RUN DIRECTION FOLDER``.

Both translate the same files, in turns; starting and opening the run is in neither. The service's
clients are a process of their own, on the same machine.
"""

import argparse
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, Queue
from statistics import median
from urllib.parse import urlsplit

from cyclekit.console import Console
from cyclekit.runs.open_run import open_run
from cyclekit.serving.app import make_app
from cyclekit.serving.guard import Guard
from cyclekit.serving.limits import Limits
from cyclekit.serving.running import LOCAL, Server, listen
from cyclekit.serving.service import Service, names_of
from cyclekit.temporary import temporary_folder
from cyclekit.translating.files import InputFiles, translate_files
from cyclekit.translating.sharing import Opening

ROUNDS = 3
AT_ONCE = 64


def ask(to: str, files: list[bytes]) -> float:
    """Seconds that ``AT_ONCE`` clients wait for the translations of files."""
    address = urlsplit(to)
    turns: Queue[bytes] = Queue()
    for file in files:
        turns.put(file)

    def client(_number: int) -> None:
        connection = HTTPConnection(address.netloc, timeout=300)
        with closing(connection), suppress(Empty):
            while True:
                connection.request("POST", address.path, turns.get_nowait())
                answer = connection.getresponse()
                told = answer.read()
                assert answer.status == 200, told

    begun = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as clients:
        list(clients.map(client, range(AT_ONCE)))
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("direction")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    opened = open_run(given.run)
    inputs = InputFiles.find([given.folder], opened.model.codec)
    contents = [file.read_bytes() for file in inputs.names]
    direction = opened.model.direction(given.direction)
    opening = Opening(given.run, "latest")
    with (
        listen("127.0.0.1", 0) as listener,
        temporary_folder() as folder,
        ProcessPoolExecutor(1, get_context("spawn")) as elsewhere,
    ):
        service = Service(names_of([opening]), Limits(queue=2 * AT_ONCE), folder, print)
        service.start()
        app = Guard(make_app(service), service, LOCAL, "", folder / "page")
        server = Server(service, app)
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        (name,) = service.residents
        port = listener.getsockname()[1]
        to = f"http://127.0.0.1:{port}/v1/translate/{name}/{given.direction}"
        seconds: dict[str, list[float]] = {"translate": [], "serve": []}
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as out:
                begun = time.perf_counter()
                translate_files(opened, inputs, direction, Path(out), Console(quiet=True))
                seconds["translate"].append(time.perf_counter() - begun)
            seconds["serve"].append(elsewhere.submit(ask, to, contents).result())
        server.should_exit = True
        thread.join()
        service.close(5)
    print(f"| {len(contents)} files, median of {ROUNDS} | files a second |\n| --- | --- |")
    for what, taken in seconds.items():
        print(f"| {what} | {len(contents) / median(taken):.1f} |")


if __name__ == "__main__":
    main()
