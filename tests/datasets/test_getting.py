"""Published sets arrive whole or not at all, whatever a server does, and nowhere else."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets_support import Answer, Server, catalogue, serving, sha256, zipped
from support import Cli, Outcome
from torture_support import forked, train_until, trials

from cyclekit.datasets import download

NOISE = random.Random(0).randbytes(200_000)
TREE = {
    "toys/trainA/ball.png": NOISE,
    "toys/trainB/block.png": b"block",
    "toys/testA/ball.png": b"test ball",
    "toys/testB/block.png": b"test block",
}
TOYS = zipped(TREE)
PLACES = 'places = { trainA = "toys/trainA", trainB = "toys/trainB", testA = "toys/testA" }'


@pytest.fixture
def server(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    monkeypatch.setattr(download, "WAIT", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    with serving() as running:
        yield running


class Getting:
    """``cyclekit data get toys`` into ``there/``."""

    def __init__(self, cli: Cli, folder: Path, server: Server) -> None:
        self.cli, self.folder, self.server = cli, folder, server
        self.out = folder / "there"
        self.toys = self.out / "toys"
        self.publish(bytes=len(TOYS), sha256=sha256(TOYS))
        server.answers["toys.zip"] = Answer(TOYS)

    def publish(self, more: str = PLACES, **known: object) -> None:
        self.plugin = catalogue(self.folder / "plugin", self.server, "toys.zip", more, **known)

    def __call__(self, *options: object) -> Outcome:
        return self.cli("data", "get", "toys", "--plugin", self.plugin, "-o", self.out, *options)

    @property
    def ranges(self) -> list[str]:
        return [wanted for _, wanted in self.server.asked]

    def assert_whole(self, done: Outcome) -> None:
        assert done.code == 0, done.err
        assert (self.toys / "trainA/ball.png").read_bytes() == NOISE
        assert (self.toys / "testA/ball.png").read_bytes() == b"test ball"
        left = {path.name for path in self.out.rglob("*")}
        assert not {name for name in left if name.endswith(".part") or "incoming" in name}

    def assert_refused(self, done: Outcome, said: str) -> None:
        assert done.code != 0
        assert said in done.err
        assert "Traceback" not in done.err
        assert not self.toys.exists()
        outside = {path.name for path in self.folder.iterdir()}
        assert outside <= {"there", "plugin", "toys.zip"}
        assert not [path for path in self.out.rglob("*") if "incoming" in path.name]


@pytest.fixture
def toys(cli: Cli, tmp_path: Path, server: Server) -> Getting:
    return Getting(cli, tmp_path, server)


def test_a_set_arrives_with_its_licence_and_what_to_do_next(toys: Getting) -> None:
    done = toys()
    toys.assert_whole(done)
    assert not (toys.toys / "testB").exists()  # the catalogue does not name it
    assert done.out == f"{toys.toys}\n"
    for said in ("CC0", "Nobody, Toys, 2026", f"--data {toys.toys}", "cyclekit data check"):
        assert said in done.err
    source = json.loads((toys.toys / "source.json").read_text())
    assert source["archives"]["toys.zip"]["sha256"] == sha256(TOYS)
    assert source["licence"] == "CC0"
    again = toys()
    assert "is there already" in again.err
    assert len(toys.ranges) == 1


def test_a_connection_that_is_cut_goes_on_where_it_stopped(toys: Getting) -> None:
    toys.server.answers["toys.zip"].cut = [50_000, 60_000]
    toys.assert_whole(toys())
    assert toys.ranges == ["", "bytes=50000-", "bytes=110000-"]


def test_a_server_without_ranges_sends_all_of_it_again(toys: Getting) -> None:
    answer = toys.server.answers["toys.zip"]
    answer.cut, answer.ranges = [50_000], False
    toys.assert_whole(toys())


def test_a_range_that_begins_elsewhere_is_not_appended(toys: Getting) -> None:
    answer = toys.server.answers["toys.zip"]
    answer.cut, answer.shift = [50_000], 5
    toys.assert_whole(toys())
    assert toys.ranges == ["", "bytes=50000-", ""]


def test_what_is_longer_than_the_file_is_fetched_anew(toys: Getting) -> None:
    toys.publish(sha256=sha256(TOYS))
    toys.server.answers["toys.zip"] = Answer(TOYS[:-1] + b"wrong", said=-1, cut=[len(TOYS) + 4] * 5)
    assert toys().code == 1
    part = toys.out / ".downloads" / "playthings-toys.zip.part"
    part.write_bytes(TOYS + b"more")
    toys.server.answers["toys.zip"] = Answer(TOYS)
    toys.assert_whole(toys())
    assert toys.ranges[-2:] == [f"bytes={len(TOYS) + 4}-", ""]


def test_other_bytes_of_the_right_size_are_refused_and_fetched_elsewhere(toys: Getting) -> None:
    wrong = bytearray(TOYS)
    wrong[1000] ^= 1
    toys.server.answers["toys.zip"].content = bytes(wrong)
    toys.assert_refused(toys(), "sent other bytes than were published")
    assert not list(toys.out.rglob("*.part")), "what is wrong is not gone on with"
    toys.server.answers["good/toys.zip"] = Answer(TOYS)
    toys.assert_whole(toys("--mirror", f"{toys.server.url}/good/"))


def test_mirrors_are_asked_in_order_and_share_what_has_arrived(toys: Getting) -> None:
    first = toys.server.answers["toys.zip"]
    toys.server.answers["first/toys.zip"] = Answer(TOYS, cut=[50_000, 0, 0, 0, 0, 0])
    toys.assert_whole(toys("--mirror", f"{toys.server.url}/first/toys.zip"))
    assert toys.server.asked[0] == ("first/toys.zip", "")
    assert toys.server.asked[-1] == ("toys.zip", "bytes=50000-")
    assert first.content == TOYS


def test_what_came_from_a_wrong_mirror_is_not_blamed_on_the_next(toys: Getting) -> None:
    wrong = bytes(reversed(TOYS))
    toys.server.answers["first/toys.zip"] = Answer(wrong, cut=[50_000, 0, 0, 0, 0, 0])
    toys.assert_whole(toys("--mirror", f"{toys.server.url}/first"))
    assert toys.ranges[-2:] == ["bytes=50000-", ""]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(TOYS + b"more"), "were published"),
        (Answer(TOYS + b"more", said=-1), "sent more than"),
        (Answer(TOYS, said=len(TOYS) - 7), "were published"),
        (Answer(TOYS, said=10**15), "were published"),
        (Answer(b"<!DOCTYPE html><p>gone", kind="text/html"), "sent a web page"),
        (Answer(b"<!DOCTYPE html><p>gone", said=-1), "sent a web page"),
        (Answer(TOYS, cut=[0] * 20), "the connection ended"),
        (Answer(status=403), "answered 403"),
        (Answer(status=503), "answered 503"),
        (Answer(to="file:///etc/passwd"), "not allowed"),
        (Answer(to="ftp://127.0.0.1/toys.zip"), "which is no HTTP"),
        (Answer(to="/toys.zip"), "could not be fetched"),
    ],
    ids=lambda value: None if isinstance(value, Answer) else value,
)
def test_servers_that_lie_or_fail(toys: Getting, answer: Answer, said: str) -> None:
    toys.server.answers["toys.zip"] = answer
    toys.assert_refused(toys(), said)


def test_redirections_are_followed(toys: Getting) -> None:
    toys.server.answers["elsewhere"] = toys.server.answers["toys.zip"]
    toys.server.answers["toys.zip"] = Answer(to=f"{toys.server.url}/elsewhere")
    toys.assert_whole(toys())


def test_nobody_there(toys: Getting) -> None:
    toys.server.answers.clear()
    toys.assert_refused(toys("--mirror", "http://127.0.0.1:9/"), "--archive FILE")


def test_without_a_published_checksum_the_first_one_counts(toys: Getting) -> None:
    toys.publish()
    first = toys()
    toys.assert_whole(first)
    assert f"{sha256(TOYS)} is remembered" in first.err
    changed = zipped(TREE | {"toys/trainA/new.png": b"new"})
    toys.server.answers["toys.zip"].content = changed
    toys.out = toys.out.with_name("again")
    toys.toys = toys.out / "toys"
    refused = toys()
    assert refused.code == 1
    assert sha256(changed) in refused.err
    assert not toys.toys.exists()
    toys.assert_whole(toys("--sha256", sha256(changed)))
    assert (toys.toys / "trainA/new.png").exists()


def test_without_a_checksum_parts_of_two_files_are_never_joined(toys: Getting) -> None:
    toys.publish(sha256=sha256(TOYS))
    answer = toys.server.answers["toys.zip"]
    toys.publish()
    answer.cut = [50_000, 0, 0, 0, 0, 0]
    assert toys().code == 1
    # The file has changed at the server by now.
    toys.server.answers["toys.zip"] = Answer(zipped(TREE | {"toys/x": b"x"}), tag='"2"')
    toys.assert_whole(toys())


def test_a_damaged_archive_is_fetched_anew_the_next_time(toys: Getting) -> None:
    toys.publish()
    toys.server.answers["toys.zip"] = Answer(TOYS[:100_000], said=-1)
    toys.assert_refused(toys(), "is damaged")
    toys.server.answers["toys.zip"] = Answer(TOYS)
    toys.assert_whole(toys())


def test_a_local_archive_needs_no_network(toys: Getting) -> None:
    copy = toys.folder / "toys.zip"
    copy.write_bytes(TOYS[:-1] + b"x")
    toys.assert_refused(toys("--archive", copy), "is not toys.zip as it was published")
    copy.write_bytes(TOYS)
    toys.assert_whole(toys("--archive", copy))
    assert toys.ranges == []
    assert copy.read_bytes() == TOYS


def test_what_is_withheld_is_taken_from_a_local_archive_alone(toys: Getting) -> None:
    toys.publish(PLACES + '\nwithheld = "its licence forbids it."')
    toys.assert_refused(toys(), "its licence forbids it. A copy that you have")
    copy = toys.folder / "toys.zip"
    copy.write_bytes(TOYS)
    toys.assert_whole(toys("--archive", copy))


def test_what_is_in_its_place_stays(toys: Getting) -> None:
    toys.toys.mkdir(parents=True)
    (toys.toys / "thesis.txt").write_text("years of work")
    done = toys()
    assert done.code == 2
    assert "has not brought" in done.err
    assert [path.name for path in toys.toys.iterdir()] == ["thesis.txt"]


def test_without_places_all_of_an_archive_is_the_set(toys: Getting) -> None:
    content = zipped(TREE | {"README": b"Balls and blocks"})
    toys.publish("", sha256=sha256(content))
    toys.server.answers["toys.zip"] = Answer(content)
    assert toys().code == 0
    assert (toys.toys / "README").read_bytes() == b"Balls and blocks"
    assert (toys.toys / "toys/trainB/block.png").read_bytes() == b"block"


def test_an_archive_of_another_layout(toys: Getting) -> None:
    toys.publish('places = { trainA = "elsewhere/trainA" }')
    toys.assert_refused(toys(), "holds no elsewhere/trainA")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["get", "horse2zebrra"], "Did you mean 'horse2zebra'"),
        (["get", "horse2zebra", "--set", "genres=x"], "has no setting 'genres'"),
        (["get", "classical2jazz"], "--set genres=TABLE.csv"),
        (["get", "classical2jazz", "--set", "genres=nowhere.csv"], "there is no such file"),
        (["get", "horse2zebra", "--archive", "nowhere.zip"], "there is no such file"),
        (["get", "horse2zebra", "--sha256", "12"], "64 hexadecimal digits"),
        (["get", "vcc2018", "--sha256", "0" * 64], "several"),
        (["get", "horse2zebra", "--mirror", "ftp://x/"], "http(s)://"),
        (["list", "imagee"], "No plugin called 'imagee'"),
    ],
)
def test_wrong_usage(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("data", *arguments)
    assert done.code == 2, done.err
    assert said in done.err
    assert not (tmp_path / "datasets" / "horse2zebra").exists()


def test_a_wrong_catalogue_costs_only_itself(toys: Getting, cli: Cli) -> None:
    table = toys.plugin.with_suffix(".datasets.toml")
    table.write_text(table.read_text().replace('file = "toys.zip"', 'file = "../toys.zip"'))
    done = toys()
    assert done.code == 1
    assert "leads out of its folder" in done.err
    assert "horse2zebra" in cli("data", "list").out


def started(toys: Getting) -> subprocess.Popen[str]:
    """The command in a process of its own, which has received half of the archive."""
    held = toys.server.answers["toys.zip"]
    held.gate = threading.Event()
    command = [sys.executable, "-m", "cyclekit", "data", "get", "toys", "--plugin", toys.plugin,
               "-o", toys.out]  # fmt: skip
    process = subprocess.Popen(
        [str(part) for part in command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        # Where the tests run in the background it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not any(part.stat().st_size for part in toys.out.rglob("*.part")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_download_goes_on(toys: Getting, how: signal.Signals) -> None:
    process = started(toys)
    refused = toys()
    assert "Another `cyclekit data get` is fetching" in refused.err
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    assert not toys.toys.exists()
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "goes on from there" in said
    held = toys.server.answers["toys.zip"]
    assert held.gate is not None
    held.gate.set()
    held.gate = None
    toys.assert_whole(toys())
    assert toys.ranges[-1].startswith("bytes=")


@pytest.mark.slow
def test_a_kill_at_any_operation_leaves_it_whole_or_absent(toys: Getting, tmp_path: Path) -> None:
    command = ["data", "get", "toys", f"--plugin={toys.plugin}", f"--out={toys.out}"]
    log, count = tmp_path / "plugin/log", tmp_path / "plugin/count"
    assert forked(lambda: train_until(command, None, count), log) == 0, log.read_text()
    shutil.rmtree(toys.out)
    operations = int(count.read_text())
    assert operations > 20
    everywhere = "CYCLEKIT_TORTURE" in os.environ
    for operation in trials(operations, None if everywhere else 8):
        assert forked(lambda at=operation: train_until(command, at), log) == -9, log.read_text()
        if toys.toys.exists():
            assert (toys.toys / "source.json").exists()
            assert (toys.toys / "testA/ball.png").read_bytes() == b"test ball"
        toys.assert_whole(toys())
        shutil.rmtree(toys.out)


def test_leftovers_of_a_killed_unpacking_go(toys: Getting) -> None:
    left = toys.out / ".incoming-0123456789abcdef" / "unpacked"
    left.mkdir(parents=True)
    (left / "half.png").touch()
    toys.assert_whole(toys())


ARRANGING = """arrange = "playthings:arrange"
settings = { colour = { help = "of all of them", default = "red" } }
"""
CODE = """
from pathlib import Path

from cyclekit.api import DataError


def arrange(unpacked, made, settings):
    if settings["colour"] == "blue":
        raise DataError("There are no blue ones.")
    for file in (unpacked / "toys").rglob("*.png"):
        (made / f"{settings['colour']}-{file.parent.name}").mkdir()
    return [f"all of them are {settings['colour']}"]
"""


def test_a_strangers_own_function_lays_its_set_out(toys: Getting) -> None:
    toys.publish(ARRANGING, sha256=sha256(TOYS))
    toys.plugin.write_text(CODE)
    toys.assert_refused(toys("--set", "colour=blue"), "There are no blue ones.")
    done = toys("--set", "colour=green")
    assert done.code == 0, done.err
    assert "all of them are green" in done.err
    assert (toys.toys / "green-trainA").is_dir()
    assert len(toys.ranges) == 1, "what was downloaded for the first attempt was kept"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_of_the_kind", "cannot be imported"),
        ("def other(): pass", "has no attribute 'arrange'"),
        (CODE.replace("return [", "return 1 / 0, ["), "failed to lay out toys: ZeroDivisionError"),
    ],
)
def test_a_strangers_function_that_fails(toys: Getting, code: str, said: str) -> None:
    toys.publish(ARRANGING, sha256=sha256(TOYS))
    toys.plugin.write_text(code)
    toys.assert_refused(toys(), said)


def test_downloads_can_be_kept_and_are_used_again(toys: Getting) -> None:
    done = toys("--keep")
    assert done.code == 0, done.err
    shutil.rmtree(toys.toys)
    toys.assert_whole(toys())
    assert len(toys.ranges) == 1


def test_sets_are_listed(toys: Getting) -> None:
    done = toys.cli("data", "list", "--plugin", toys.plugin)
    assert done.out.split("\n")[0].split() == [
        "playthings", "toys", *f"{len(TOYS) / 1000:.1f} kB".split(), "Balls", "and", "blocks",
    ]  # fmt: skip
    (row,) = json.loads(toys.cli("data", "list", "--plugin", toys.plugin, "--json").out)
    assert row["name"] == "toys"
    assert row["licence"] == "CC0"
    assert row["archives"][0]["sha256"] == sha256(TOYS)
