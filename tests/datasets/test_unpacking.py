"""Archives are unpacked into their folder and nowhere else, and end where they must."""

import contextlib
import gzip
import io
import stat
import struct
import tarfile
import zlib
from pathlib import Path

import pytest
from datasets_support import special, tarred, zipped

from cyclekit.datasets.unpacking import Limits, unpack
from cyclekit.errors import DataError
from cyclekit.storage.folder import Storage

LIMITS = Limits(files=100, bytes=10_000_000)
GOOD = {"toys/a/one.txt": b"one", "toys/b/two.txt": b"two" * 1000}


def unpacked(
    content: bytes, folder: Path, limits: Limits = LIMITS, take: tuple[str, ...] = ()
) -> int:
    return unpack(io.BytesIO(content), "toys.zip", Storage(folder / "in"), limits, take)


def found(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "content",
    [
        zipped(GOOD),
        tarred(GOOD),
        tarred(GOOD, "w:bz2"),
        tarred(GOOD, "w"),
        zipped({"./toys/a/one.txt": b"one", "toys//b/two.txt": b"two" * 1000}),
        zipped(GOOD | {"__MACOSX/toys/._x": b"x", "toys/a/.DS_Store": b"x"}),
    ],
    ids=["zip", "tar.gz", "tar.bz2", "tar", "slashes", "litter"],
)
def test_what_is_published_so(tmp_path: Path, content: bytes) -> None:
    assert unpacked(content, tmp_path) == 2
    assert found(tmp_path / "in") == GOOD


def test_only_what_is_wanted(tmp_path: Path) -> None:
    archive = tarred(GOOD | {"toys/link": special("toys/link", tarfile.SYMTYPE, "/etc/passwd")})
    assert unpacked(archive, tmp_path, take=("toys/a/*",)) == 1
    assert set(found(tmp_path / "in")) == {"toys/a/one.txt"}
    with pytest.raises(DataError, match="holds none of the files that were expected"):
        unpacked(archive, tmp_path / "other", take=("elsewhere/*",))


@pytest.mark.parametrize(
    "name",
    ["../out.txt", "toys/../../out.txt", "/tmp/out.txt", "C:\\out.txt", "..\\out.txt",
     "\\\\host\\share\\out.txt", "a/" * 30 + "deep.txt", "x" * 300],
)  # fmt: skip
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    for content in (zipped({"fine.txt": b"fine", name: b"evil"}), tarred({name: b"evil"})):
        with pytest.raises(DataError, match=r"toys\.zip holds .*Nothing of it was kept"):
            unpacked(content, tmp_path)
        assert set(found(tmp_path)) <= {"in/fine.txt"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a symbolic link"),
        (tarfile.FIFOTYPE, "a named pipe"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.GNUTYPE_SPARSE, "something else"),
    ],
)
def test_what_is_no_file_in_a_tar(tmp_path: Path, kind: bytes, said: str) -> None:
    evil = special("toys/evil", kind, "/etc/passwd")
    if kind == tarfile.GNUTYPE_SPARSE:
        evil = special("toys/evil", tarfile.CONTTYPE)
    # A file below a link would be written to where it leads.
    archive = tarred({"toys/evil": evil, "toys/evil/x": b"x"})
    with pytest.raises(DataError, match=f"toys/evil.*which is {said}"):
        unpacked(archive, tmp_path)
    assert found(tmp_path) == {}


@pytest.mark.parametrize(
    ("mode", "said"),
    [(stat.S_IFLNK, "a symbolic link"), (stat.S_IFIFO, "a named pipe"), (stat.S_IFBLK, "a device")],
)
def test_what_is_no_file_in_a_zip(tmp_path: Path, mode: int, said: str) -> None:
    archive = zipped({"toys/evil": b"/etc/passwd"}, {"toys/evil": mode | 0o777})
    with pytest.raises(DataError, match=f"toys/evil.*which is {said}"):
        unpacked(archive, tmp_path)
    assert found(tmp_path) == {}


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "in/toys").symlink_to(tmp_path / "precious")
    with pytest.raises(Exception, match="symbolic link"):
        unpacked(zipped(GOOD), tmp_path)
    assert found(tmp_path / "precious") == {}


ZEROS = bytes(20_000_000)


@pytest.mark.parametrize(
    "content",
    [zipped({"toys/a": ZEROS}), tarred({"toys/a": ZEROS}), tarred({"toys/a": ZEROS}, "w:bz2")],
    ids=["zip", "tar.gz", "tar.bz2"],
)
def test_bombs_of_bytes(tmp_path: Path, content: bytes) -> None:
    assert len(content) < 100_000
    with pytest.raises(DataError, match="10,000,000 bytes"):
        unpacked(content, tmp_path)
    assert sum(map(len, found(tmp_path).values())) <= LIMITS.bytes


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    content = bytearray(zipped({"toys/a": ZEROS}))
    size = struct.pack("<I", len(ZEROS))
    content = content.replace(size, struct.pack("<I", 1000))
    with pytest.raises(DataError, match="is damaged"):
        unpacked(bytes(content), tmp_path)
    assert sum(map(len, found(tmp_path).values())) <= 1000


@pytest.mark.parametrize("make", [zipped, tarred])
def test_bombs_of_files(tmp_path: Path, make: object) -> None:
    many = {f"toys/{number}": b"" for number in range(200)}
    with pytest.raises(DataError, match="more than 100 files"):
        unpacked(make(many), tmp_path)  # type: ignore[operator]


def test_a_directory_of_a_zip_as_large_as_memory_is_not_read(tmp_path: Path) -> None:
    many = zipped({f"{number:06}" + "x" * 200: b"" for number in range(3000)})
    with pytest.raises(DataError, match="at a length that is not read"):
        unpacked(many, tmp_path)


def test_a_description_of_a_tar_as_large_as_memory_is_not_read(tmp_path: Path) -> None:
    long = tarfile.TarInfo("x")
    long.type, long.size = tarfile.XHDTYPE, 2**30
    archive = gzip.compress(long.tobuf(tarfile.USTAR_FORMAT) + bytes(5_000_000))
    with pytest.raises(DataError, match="at a length that is not read"):
        unpacked(archive, tmp_path)


def test_names_that_come_twice(tmp_path: Path) -> None:
    twice = tarfile.TarInfo("toys/a")
    twice.size = 0
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as made:
        made.addfile(twice)
        made.addfile(twice)
    with pytest.raises(DataError, match="'toys/a' twice"):
        unpacked(archive.getvalue(), tmp_path)


def test_what_is_encrypted_or_packed_otherwise(tmp_path: Path) -> None:
    plain = bytearray(zipped({"toys/a": b"a"}))
    encrypted = plain.copy()
    central = encrypted.index(b"PK\x01\x02")
    encrypted[central + 8] |= 1
    with pytest.raises(DataError, match="which is encrypted"):
        unpacked(bytes(encrypted), tmp_path)
    plain[central + 10] = 14  # LZMA
    with pytest.raises(DataError, match="compressed in a way"):
        unpacked(bytes(plain), tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!doctype html><p>not found", "web page"),
        (b"", "is empty"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), "a 7z archive"),
        (bytes(1000), "is no zip"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        unpacked(content, tmp_path)


NOISE = {f"toys/{n}": zlib.compress(bytes(range(256)) * n) for n in range(1, 60)}


@pytest.mark.parametrize(
    "whole", [zipped(NOISE), tarred(NOISE), tarred(NOISE, "w:bz2"), tarred(NOISE, "w")]
)
def test_damage_anywhere_is_named(tmp_path: Path, whole: bytes) -> None:
    """Cut off, or with changed bytes: an error of one sentence, or everything as it was."""
    for number, place in enumerate(range(7, len(whole), len(whole) // 25)):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        for kind, content in (("cut", whole[:place]), ("changed", bytes(changed))):
            folder = tmp_path / f"{kind}{number}"
            with contextlib.suppress(DataError):  # and nothing else
                unpacked(content, folder)
            outside = {path.name for path in folder.iterdir()} if folder.exists() else set()
            assert outside <= {"in"}
