"""Whatever somebody changes in a run, the commands end with one sentence, or do their work.

Nothing outside is written, nothing in the run is executed, nothing crashes the process.
"""

import copy
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torture_support import forked

from cyclekit.cli import main

STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, float("nan"), "", "../../x", "/etc/passwd", "\0", "x" * 5000,
    [], [[]], {}, {"$tensor": "x"}, {"": None},
)  # fmt: skip
TENSORS: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    lambda x: x.flatten()[:1].clone(),
    lambda x: torch.zeros(0, *x.shape),
    lambda x: x.to(torch.int8),
    lambda x: x.to(torch.complex64) if x.dtype == torch.float32 else x,
    lambda x: torch.full_like(x, torch.nan) if x.is_floating_point() else x,
    lambda x: torch.zeros(*x.shape, 2),
    lambda x: torch.full(x.shape, 1e300, dtype=torch.float64),
    lambda x: x.to(torch.float8_e4m3fn) if x.is_floating_point() else x,
)
SAMPLE = 8  # of each kind; `make torture` tries many more
MANY = 400
VERBS: tuple[Callable[[Path, Path], list[str]], ...] = (
    lambda run, out: ["translate", str(run), str(out.parent / "x.png"), "-o", str(out),
                      "--direction=a2b", "--accelerator=cpu"],
    lambda run, out: ["resume", str(run), "--steps=5", "--accelerator=cpu"],
    lambda run, out: ["report", str(run)],
    lambda run, out: ["evaluate", str(run), "--quick", "--accelerator=cpu"],
)  # fmt: skip


def places(content: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a JSON text."""
    yield way
    if isinstance(content, (dict, list)):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, inner in items:
            yield from places(inner, (*way, key))


def changed(content: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The text with another value there, or without it where that is a function."""
    if not way:
        return value
    made = copy.deepcopy(content)
    inner = made
    for key in way[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[way[-1]]
    else:
        inner[way[-1]] = value
    return made


def rehash(checkpoint: Path) -> None:
    """Whoever sends a run makes its checksums, too."""
    about = checkpoint / "checkpoint.json"
    told = json.loads(about.read_text())
    for name in told["files"]:
        if (checkpoint / name).is_file():
            told["files"][name] = hashlib.sha256((checkpoint / name).read_bytes()).hexdigest()
    about.write_text(json.dumps(told))


def tamper_json(run: Path, rng: random.Random) -> str:
    checkpoint = run / "checkpoints/step-00000004"
    files = [run / "run.json", run / "preview.json", checkpoint / "checkpoint.json",
             checkpoint / "state.json"]  # fmt: skip
    files += [*run.glob("*.jsonl"), *run.glob("evaluations/*.json")]
    file = rng.choice(files)
    lines = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
    number = rng.randrange(len(lines))
    content = json.loads(lines[number])
    way = rng.choice(list(places(content)))
    value = rng.choice((KeyError, *STRANGE)) if way else rng.choice(STRANGE)
    lines[number] = json.dumps(changed(content, way, value))
    file.write_text("\n".join(lines) + "\n")
    if file.name == "state.json":
        rehash(checkpoint)
    return f"{file.name} {way} = {value!r:.50}"


def tamper_tensors(run: Path, rng: random.Random) -> str:
    checkpoint = run / "checkpoints/step-00000004"
    file = rng.choice(sorted(checkpoint.glob("*.safetensors")))
    tensors = load_file(file)
    if not tensors:
        tensors["more"] = torch.zeros(2)
        save_file(tensors, file)
        rehash(checkpoint)
        return f"{file.name} has more"
    name = rng.choice(sorted(tensors))
    kind = rng.randrange(len(TENSORS) + 1)
    if kind == len(TENSORS):
        del tensors[name]
    else:
        tensors[name] = TENSORS[kind](tensors[name]).contiguous()
    save_file(tensors, file)
    rehash(checkpoint)
    return f"{file.name} {name} {kind}"


def tamper_recipe(run: Path, rng: random.Random) -> str:
    file = run / "recipe.toml"
    lines = file.read_text().splitlines()
    number = rng.randrange(len(lines))
    value = rng.choice(["", "= 1", "x = [", "[[a]]", "steps = 999999999999", "name = 3",
                        "extends = 'x'", f"extensions = ['{run.parent}/evil.py']",
                        "keep_checkpoints = 0",
                        "seed = 1979-05-27", f"cache = '{run.parent}/outside/new'",
                        f"root = '{run.parent}/outside'", f"plugin = '{run.parent}/evil.py'",
                        "blocks = 100000", "batch_size = 1000000000", "learning_rate = 1e39",
                        "root = '/dev/zero'", "tile = 1", "root = '\\u0000'"])  # fmt: skip
    lines[number] = value
    file.write_text("\n".join(lines) + "\n")
    return f"recipe.toml {number} {value}"


def tamper_links(run: Path, rng: random.Random) -> str:
    """Something in the run leads elsewhere, or is no file."""
    outside = run.parent / "outside"
    there = [file for file in sorted(run.rglob("*")) if not file.is_symlink()]
    names = ("cache", "data", "tensorboard", "evaluations", "samples", "metrics", "nonfinite",
             ".incoming-x", "report.html", "changes.jsonl", ".lock")  # fmt: skip
    new = [run / name for name in names]
    file = rng.choice([*there, *new, *new])
    if file.is_dir():
        shutil.rmtree(file)
    file.unlink(missing_ok=True)
    kind = rng.choice(["folder", "file", "nowhere", "itself", "pipe", "device"])
    if not file.parent.is_dir():
        return "nothing"
    if kind == "pipe":
        os.mkfifo(file)
    else:
        targets = {"folder": outside, "file": outside / "precious", "nowhere": outside / "new",
                   "itself": file, "device": Path("/dev/full")}  # fmt: skip
        file.symlink_to(targets[kind])
    return f"{file.relative_to(run)} is {kind}"


def tamper_bytes(run: Path, rng: random.Random) -> str:
    files = [file for file in sorted(run.rglob("*")) if file.is_file() and not file.is_symlink()]
    file = rng.choice(files)
    content = bytearray(file.read_bytes())
    cut = rng.random() < 0.4
    if cut or not content:
        file.write_bytes(bytes(content[: rng.randrange(len(content) + 1)]))
    else:
        for _ in range(rng.choice((1, 20))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        file.write_bytes(bytes(content))
    if rng.random() < 0.7:
        checkpoint = run / "checkpoints/step-00000004"
        try:
            rehash(checkpoint)
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            return f"{file.relative_to(run)} bytes"
    return f"{file.relative_to(run)} bytes, rehashed"


TAMPERS = (tamper_json, tamper_tensors, tamper_recipe, tamper_links, tamper_bytes)


@pytest.mark.slow
@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda tamper: tamper.__name__)
def test_a_tampered_run_is_one_sentence_or_works(
    tamper: Callable[[Path, random.Random], str], trained: Path, tmp_path: Path
) -> None:
    from support import draw

    run, log, out, outside = (tmp_path / name for name in ("run", "log", "out", "outside"))
    draw(tmp_path / "x.png", 0)
    for number in range(MANY if "CYCLEKIT_TORTURE" in os.environ else SAMPLE):
        rng = random.Random(f"{tamper.__name__} {number}")
        for folder in (run, out, outside):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(trained, run, symlinks=True)
        outside.mkdir()
        (outside / "precious").write_text("old")
        (tmp_path / "evil.py").write_text(f"open({str(outside / 'executed')!r}, 'w')")
        what = tamper(run, rng)
        command = rng.choice(VERBS)(run, out)
        code = forked(lambda how=command: main(how), log, limit=60)
        said = log.read_text(errors="replace")
        told = f"{what}; {command[0]} ended with {code}:\n{said[-2000:]}"
        assert code in (0, 1, 2), told
        assert "Traceback" not in said, told
        assert "unexpected" not in said, told
        assert {file.name for file in outside.iterdir()} == {"precious"}, told
        assert (outside / "precious").read_text() == "old", told
