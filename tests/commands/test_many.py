"""Translating many files: what is there already, what is noted, what results are called."""

import json
import os
from pathlib import Path

from support import Cli, draw


def test_what_is_there_is_skipped_and_noted(cli: Cli, trained: Path, tmp_path: Path) -> None:
    first, second = (draw(tmp_path / "in" / name, 1) for name in ("x.png", "deep/y.png"))
    out = tmp_path / "out"

    def translate(*options: object) -> str:
        done = cli("translate", trained, tmp_path / "in", "-o", out, "--direction=a2b",
                   "--skip-existing", *options)  # fmt: skip
        assert done.code == 0, done.err
        return done.err

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in (out / "translations.jsonl").read_text().splitlines()]

    assert "2 of 2 files" in translate()
    assert {line["output"] for line in lines()} == {"x.png", "deep/y.png"}
    assert {line["source"] for line in lines()} == {str(first), str(second)}
    assert all(line["checkpoint"] == 4 and line["direction"] == "a2b" for line in lines())
    assert "skipped 2 of 2 files" in translate()
    assert len(lines()) == 2

    (out / "x.png").unlink()
    assert "skipped 1 of 2" in translate()
    changed = (out / "x.png").stat().st_mtime + 10
    os.utime(first, (changed, changed))
    assert "skipped 1 of 2" in translate()
    assert "files, translated before" not in translate("--checkpoint=2")

    (out / "translations.jsonl").write_text('broken\n["no entry"]\n')
    assert "files, translated before" not in translate()


def test_names_can_end_otherwise(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    before = file.read_bytes()
    command = ("translate", trained, file, "-o", tmp_path, "--direction=a2b")
    assert cli(*command, "--suffix=-striped").code == 0
    assert (tmp_path / "x-striped.png").is_file()
    assert file.read_bytes() == before
    wrong = cli(*command, "--suffix=/../y")
    assert (wrong.code, "--suffix" in wrong.err) == (2, True)
