"""Checkpoints that are damaged, or were made to do harm: named, never run, nothing left behind."""

import io
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from damage import ANY_FILE
from peers import ResNet, shaken
from safetensors.torch import save
from support import Cli
from torch import Tensor

State = dict[str, Any]
FIRST, DOUBLING = "model.1.weight", "model.11.weight"


class Payload:
    """Runs a command where it is unpickled."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.made = call, arguments

    def __reduce__(self) -> Any:
        return self.made


def saved(content: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


def old(content: Any) -> bytes:
    return saved(content, _use_new_zipfile_serialization=False)


def state() -> State:
    network: State = dict(shaken(ResNet(1)).state_dict())
    return network


def changed(key: str, change: Callable[[Tensor], Any]) -> bytes:
    weights = state()
    weights[key] = change(weights[key])
    return saved(weights)


def poked(key: str, value: float) -> bytes:
    weights = state()
    weights[key] = weights[key].clone()
    weights[key].view(-1)[0] = value
    return saved(weights)


def without(key: str) -> bytes:
    return saved({name: value for name, value in state().items() if name != key})


def beside(more: State) -> bytes:
    return saved(state() | more)


def nested(depth: int) -> bytes:
    """A pickle of dictionaries in dictionaries, which no recursive writer would write."""
    content = b"\x80\x02" + b"}X\x01\x00\x00\x00a" * depth + b"}" + b"s" * depth + b"."
    return repacked(saved(state()), content)


def laughing(levels: int = 40) -> bytes:
    """Lists of which each holds the one before it twice: few bytes, 2 ** 40 things."""
    content = b"\x80\x02]q\x00"
    for level in range(levels):
        inner, outer = struct.pack("B", level), struct.pack("B", level + 1)
        content += b"]q" + outer + b"(h" + inner + b"h" + inner + b"e"
    return repacked(saved(state()), content + b".")


def repacked(archive: bytes, data: bytes | None = None, how: int = zipfile.ZIP_STORED) -> bytes:
    """The same archive with another pickle, or compressed."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as held, zipfile.ZipFile(made, "w", how) as written:
        for name in held.namelist():
            other = data is not None and name.endswith("data.pkl")
            written.writestr(name, data if other and data is not None else held.read(name))
    return made.getvalue()


def bomb() -> bytes:
    """A quarter of a gigabyte of zeros in a quarter of a megabyte."""
    made = io.BytesIO(saved(state()))
    with (
        zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as written,
        written.open("archive/data/999", "w", force_zip64=True) as record,
    ):
        for _ in range(16):
            record.write(bytes(2**24))
    return made.getvalue()


def overlapping() -> bytes:
    """Records that all lie in one place."""
    content = bytearray(saved({"a": torch.zeros(1000), "b": torch.zeros(1000)}))
    directory = content.index(b"PK\x01\x02")
    place = struct.pack("<I", 0)
    at = directory
    while (at := content.find(b"PK\x01\x02", at)) >= 0:
        content[at + 24 : at + 28] = struct.pack("<I", 2**30)  # how large it says it is
        content[at + 42 : at + 46] = place
        at += 4
    return bytes(content)


def scripted() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), file)
    return file.getvalue()


def wide() -> bytes:
    """A tensor whose rows are all the same row."""
    weights = state()
    weights["model.1.weight"] = torch.zeros(1).expand(2**20, 2**20)
    return saved(weights)


def harmful(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Files that would leave a file behind, if anything in them were run."""
    calls: dict[str, Any] = {
        "system": (os.system, f"touch {marker}"),
        "open": (open, str(marker), "w"),
        "eval": (eval, f"open({str(marker)!r}, 'w')"),
        "exec": (exec, f"open({str(marker)!r}, 'w')"),
        "mkdir": (os.mkdir, str(marker)),
    }
    for name, (call, *arguments) in calls.items():
        payload = Payload(call, *arguments)
        yield f"{name} alone", saved(payload)
        yield f"{name} among weights", beside({"x": payload})
        yield f"{name}, old format", old(state() | {"x": payload})
        yield f"{name}, plain pickle", pickle.dumps({"model.1.weight": payload})
    yield "network", saved(ResNet(1))
    yield "network, old format", old(ResNet(1))
    yield "namespace", beside({"options": __import__("argparse").Namespace(x=1)})
    yield "torchscript", scripted()


def bent() -> Iterator[tuple[str, bytes]]:
    """Files that hold no network, or not quite one."""
    for dtype in (torch.int8, torch.int64, torch.bool, torch.complex64, torch.uint8):
        yield f"{dtype}", changed(FIRST, lambda x, d=dtype: torch.zeros_like(x, dtype=d))
    for name, value in (("nan", float("nan")), ("inf", float("inf")), ("-inf", -float("inf"))):
        for key in (FIRST, "model.1.bias", DOUBLING):
            yield f"{name} in {key}", poked(key, value)
    for key in (FIRST, "model.1.bias", "model.4.weight", DOUBLING, "model.10.conv_block.5.weight"):
        yield f"without {key}", without(key)
        if key.endswith("weight"):
            yield f"{key} transposed", changed(key, lambda x: x.transpose(0, -1).contiguous())
        yield f"{key} as a list", changed(key, lambda x: x.tolist())
        yield f"{key} empty", changed(key, lambda x: x[:0])
        yield f"{key} one number", changed(key, lambda x: x.flatten()[0])
        yield f"{key} doubled", changed(key, lambda x: torch.cat([x, x]))
    yield "extra tensor", beside({"model.99.weight": torch.zeros(3)})
    yield "extra block", beside({"model.20.conv_block.1.weight": torch.zeros(16, 16, 3, 3)})
    yield "odd block", beside({"model.10.conv_block.3.weight": torch.zeros(16, 16, 3, 3)})
    yield "numbers for names", saved(dict(enumerate(state().values())))
    yield "a long name", beside({"x" * 10_000: torch.zeros(1)})
    yield "an odd name", beside({"model.\x1b[31m.weight": torch.zeros(1)})
    yield "a large number", beside({f"model.{'9' * 5000}.conv_block.1.weight": torch.zeros(1)})
    yield "nested", nested(1000)
    yield "nested deeper", nested(100_000)
    yield "laughing", laughing()
    yield "expanded", wide()
    yield "sparse", changed(FIRST, lambda x: x.flatten(1).to_sparse())
    yield "meta", saved({key: value.to("meta") for key, value in state().items()})
    yield "quantized", changed(FIRST, lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8))
    yield "bomb", bomb()
    yield "compressed", repacked(saved(state()), how=zipfile.ZIP_DEFLATED)
    yield "overlapping", overlapping()
    yield "no pickle inside", repacked(saved(state()), b"")
    yield "a list", saved(list(state().values()))
    yield "one tensor", saved(torch.zeros(3))
    yield "a number", saved(3)
    yield "nothing in it", saved({})
    yield "dictionaries without tensors", saved({"state_dict": {}, "optimizer": {"lr": 1}})
    yield "empty file", b""
    yield "zeros", bytes(1000)
    yield "text", b"model.1.weight: 3\n" * 50
    yield "picture", b"\x89PNG\r\n\x1a\n" + bytes(500)
    yield "zip magic alone", b"PK\x03\x04" + bytes(100)
    tensors = save({key: value.contiguous() for key, value in state().items()})
    yield "safetensors, long header", struct.pack("<Q", 2**62) + tensors[8:]
    yield "safetensors, cut", tensors[:-1000]
    yield "safetensors, no JSON", struct.pack("<Q", 20) + b"{" * 20 + bytes(100)
    yield "safetensors, deep", struct.pack("<Q", 50_000) + b'{"a":' * 10_000 + bytes(100)


@pytest.mark.parametrize("seed", range(3))
def test_damage_by_chance(seed: int, cli: Cli, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for number in range(12):
        write = (saved, old)[number % 2]
        content = rng.choice(ANY_FILE)(bytearray(write(state())), rng)
        assert_named_or_whole(cli, tmp_path / f"{number}.pth", bytes(content))


def test_nothing_in_a_file_is_run(cli: Cli, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for number, (what, content) in enumerate(harmful(marker)):
        done = assert_named_or_whole(cli, tmp_path / f"{number}.pth", content, refused=True)
        assert not marker.exists(), what
        assert "could run code" in done or "cannot be read" in done, (what, done)
        if "could run code" in done:
            assert "state_dict()" in done  # what its owner can do


@pytest.mark.slow
def test_what_is_no_network_is_named(cli: Cli, tmp_path: Path) -> None:
    for number, (what, content) in enumerate(bent()):
        done = assert_named_or_whole(cli, tmp_path / f"{number}.pth", content, refused=True)
        assert f"{number}.pth" in done, (what, done)
        assert "\x1b" not in done


def test_what_is_no_file_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "loop.pth").symlink_to(tmp_path / "loop.pth")
    for name in ("folder.pth", "pipe.pth", "loop.pth", "gone.pth", "nul\0.pth"):
        done = cli("import", tmp_path / name, "-o", tmp_path / "run", "--plugin", "image")
        assert done.code == 1
        assert "cannot be read" in done.err
        assert not (tmp_path / "run").exists()


def assert_named_or_whole(cli: Cli, file: Path, content: bytes, refused: bool = False) -> str:
    """Import a file: there is one clear error and nothing else, or a run that opens."""
    file.write_bytes(content)
    run = file.with_suffix("")
    done = cli("import", file, "-o", run, "--plugin", "image")
    said = str(done.err)
    assert "Traceback" not in said
    assert "fault of cyclekit" not in said, (file.name, said)
    assert done.code in ((1, 2) if refused else (0, 1, 2)), (file.name, said)
    if done.code:
        assert "error: " in said
        assert len(said) < 2000
        assert not run.exists()
        assert not [path for path in file.parent.iterdir() if path.name.startswith(".incoming")]
    else:
        assert (run / "checkpoints" / "latest" / "generator_a2b.safetensors").is_file()
    return said
