"""A service as a process: attacked, and told to end."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

import pytest
from support import draw

httpx = pytest.importorskip("httpx", reason="needs httpx")
pytest.importorskip("prometheus_client", reason="needs cyclekit[serve]")
pytest.importorskip("fastapi", reason="needs cyclekit[serve]")

import hostile  # noqa: E402  (of benchmarks/)
from serving_support import wait_for  # noqa: E402

pytestmark = pytest.mark.slow
ATTACKS = 50


def test_a_temporary_folder_with_too_long_a_name_is_told(trained: Path, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)  # sockets' paths have 107 characters at most
    long.mkdir()
    command = [sys.executable, "-m", "cyclekit.cli", "serve", str(trained), "--port=0", "--no-page"]
    done = subprocess.run(
        command, env=os.environ | {"TMPDIR": str(long)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "set TMPDIR to a shorter one" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_outlives_attacks_and_finishes_what_was_begun(trained: Path, tmp_path: Path) -> None:
    temporary = Path(mkdtemp(prefix="cyclekit-test-"))  # a short path, for sockets
    command = [sys.executable, "-m", "cyclekit.cli", "serve", str(trained), "--port=0", "--no-page"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    before = sorted((path, path.stat().st_mtime_ns) for path in trained.rglob("*"))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    said = ""
    while "HTTP: " not in said:
        said = process.stderr.readline()
        assert process.poll() is None
    address = said.split()[1].removesuffix("/v1/models,")
    wait_for(address)
    to = f"{address}/v1/translate/trained/a2b"
    file = draw(tmp_path / "x.png", 0).read_bytes()

    told, times = asyncio.run(hostile.attack(to, file, ATTACKS, at_once=20))
    by_status = Counter[int]()
    for (kind, status), count in told.items():
        by_status[status] += count
        assert status not in range(500, 503), (kind, status)
        assert kind != "good" or status in (200, 503)
    assert times
    assert by_status.total() >= ATTACKS
    assert httpx.get(f"{address}/health", trust_env=False).json()["runs"] == {"trained": 0}
    assert sorted((path, path.stat().st_mtime_ns) for path in trained.rglob("*")) == before

    answers = []
    large = draw(tmp_path / "large.png", 0, (1500, 1500)).read_bytes()
    ask = threading.Thread(
        target=lambda: answers.append(
            httpx.post(to, content=large, trust_env=False, timeout=300).status_code
        )
    )
    ask.start()
    while not httpx.get(f"{address}/health", trust_env=False).json()["runs"]["trained"]:
        pass
    process.send_signal(signal.SIGTERM)
    ask.join()
    assert answers == [200]
    assert process.wait(timeout=120) == 0
    assert "Traceback" not in process.stderr.read()
    assert list(temporary.glob("[a-z]*")) == []
    shutil.rmtree(temporary)
