"""StarGAN on attributes: tables, hostile ones too, labels, setting several at once, figures."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from objectives.test_stargan import BATCH, SMALL, STEP, Critic, Louder
from objectives.toy import LENGTH, ToyCodec
from support import Cli, as_options, assert_resumes_exactly

from cyclekit import api, python_api
from cyclekit.data.attributes import AttributeTable
from cyclekit.engine.translator import Translator
from cyclekit.judging.classifier_metric import groups
from cyclekit.objectives.stargan import StarGANObjective
from cyclekit.objectives.stargan_options import StarGANOptions

PLUGIN = str(Path(__file__).parent / "many.py")
SPEC = api.TensorSpec(1, (None,))
NAMES = ("Loud", "Quick tail")
ATTRIBUTES = SMALL | {
    "data.attributes": "list.csv",
    "data.held_out": 0.4,
    "objective.attributes": list(NAMES),
    "objective.generator_every": 1,
}
CELEBA = """4
Loud Odd
1.npy  1 -1
2.npy -1 -1
3.npy  1  1
x/4.npy -1  1
"""


def table(folder: Path, text: str, *names: str) -> AttributeTable:
    file = folder / "list.txt"
    file.write_text(text, encoding="utf-8")
    return AttributeTable(file, names)


def told(found: AttributeTable, name: str) -> list[bool] | None:
    own = found.of(Path("somewhere") / name)
    return own if own is None else own.tolist()


@pytest.mark.parametrize(
    "text",
    [
        CELEBA,
        CELEBA.replace("4\n", "", 1),
        CELEBA.replace("4\nLoud", "file Loud"),
        "image_id,Loud,Odd,note\n1.npy,1,0,a\n2.npy,0,0,b\n3.npy,1,1,c\nx/4.npy,0,1,d\n",
        '\ufefffile,Loud,Odd\r\n"1.npy",1,-1\r\n2.npy,-1,-1\r\n3.npy,1,1\r\nx/4.npy,-1,1\r\n',
    ],
    ids=["celeba", "no count", "column for files", "csv", "csv of a spreadsheet"],
)
def test_tables(tmp_path: Path, text: str) -> None:
    found = table(tmp_path, text, "Odd", "Loud")
    assert told(found, "1.npy") == [False, True]
    assert told(found, "3.npy") == [True, True]
    assert told(found, "x/4.npy") == [True, False]
    assert told(found, "4.npy") is None
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1.npy 1 -1\n2.npy 1 1\n", "line 1: expected a header with the attributes' names"),
        ("2\n1.npy 1 -1\n2.npy 1 1\n", "announces 2 files in its first line, but has 1"),
        ("1.npy,1,0\n2.npy,0,0\n", "line 1: expected a header with the attributes' names"),
        (CELEBA.replace("3.npy  1", "3.npy  2"), "line 5: Loud is '2': expected 1, and 0"[:31]),
        (CELEBA.replace("3.npy  1", "3.npy  "), "line 5: 1 values, but the header names 2"),
        (CELEBA.replace("3.npy", "1.npy"), "'1.npy' is in lines 3 and 5"),
        (CELEBA.replace("Odd", "Loud"), "names the attribute 'Loud' twice"),
        (CELEBA.replace("Loud", "Lout"), "no attribute 'Loud'. Did you mean 'Lout'?"),
        (CELEBA.replace("4\n", "9\n"), "announces 9 files in its first line, but has 4"),
        ("file,Loud\n", "says nothing about any file"),
        ("", "expected a header"),
    ],
)
def test_hostile_tables(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(api.DataError) as raised:
        table(tmp_path, text, "Loud").of(Path("1.npy"))
    assert said in str(raised.value)
    assert str(raised.value).startswith((str(tmp_path), "objective.attributes"))


def test_tables_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00\x80" * 9)
    for file, said in ((tmp_path / "list.txt", "no text"), (tmp_path, "is a folder"),
                       (tmp_path / "none", "does not exist")):  # fmt: skip
        with pytest.raises(api.DataError, match=said):
            AttributeTable(file, ("Loud",)).of(Path("1.npy"))


def made(**options: object) -> StarGANObjective:
    given = {"attributes": ["x", "y", "z"], **options}
    validated = StarGANOptions.model_validate(given)
    domains = ["no x", "x", "no y", "y", "no z", "z"]
    return StarGANObjective(validated, dict.fromkeys(domains, SPEC))


def test_what_the_objective_states() -> None:
    objective = made()
    assert objective.domains == ("no x", "x", "no y", "y", "no z", "z")
    assert objective.streams["samples"].domains == ("no x", "x")
    names = ["x=1", "x=0", "y=1", "y=0", "z=1", "z=0"]
    assert [way.name for way in objective.directions] == names
    assert objective.directions[3].ends == ("y", "no y")
    assert objective.code(objective.directions[0]) == 3
    ends = [way.ends for way in objective.directions]
    pairs = [["no x", "x"], ["no y", "y"], ["no z", "z"]]
    assert groups(objective.domains, ends) == pairs, "a classifier for each attribute"
    assert groups("abc", [("a", "b"), ("c", "b")]) == [["a", "b", "c"]]


def test_terms_are_sums_over_attributes() -> None:
    several = {"label": torch.tensor([[1.0, 1, 0], [0, 0, 0]])}
    networks = {"generator": Louder(), "discriminator": Critic()}
    paid = made().losses("discriminators", networks, BATCH | several, STEP)
    # Logits are two zeros and the loudness, 1 and 2.
    each = F.softplus(torch.tensor([1.0, 2.0])) + 2 * F.softplus(torch.tensor(0.0))
    assert float(paid.terms["named_real"]) == pytest.approx(float(each.mean()))


def test_what_is_not_set_stays() -> None:
    way = made().directions[2]
    own = torch.tensor([[1.0, 0, 0], [0, 0, 1]])
    out = made().translate({"generator": Louder()}, torch.ones(2, 1, 4), way, own)
    assert out[:, 0, 0].tolist() == [1 + 2, 2 + 3], "y, which is 2, is added"
    assert own.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attributes": ["x", "x"]}, "two domains are called 'x'"),
        ({"attributes": ["x", "no x"]}, "two domains are called 'no x'"),
        ({"attributes": ["all"]}, "cannot be called 'all'"),
        ({"attributes": ["x"], "domains": ["a", "b"]}, "not both"),
    ],
)
def test_names_that_cannot_be_used(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StarGANOptions.model_validate(options)


def write_data(root: Path, count: int = 12) -> dict[str, tuple[bool, bool]]:
    """Waves, loud ones, quick ones, and both; none that is loud and not quick."""
    kinds = [(False, False), (False, True), (True, True)]
    (root / "pictures").mkdir(parents=True)
    lines, labels = [], {}
    for number in range(count):
        loud, quick = kinds[number % len(kinds)]
        wave = (1 + 2 * loud) * np.sin(np.arange(LENGTH) / (2 if quick else 5) + number)
        np.save(root / "pictures" / f"{number} é.npy", wave)
        labels[f"{number} é.npy"] = loud, quick
        lines.append(f"{number} é.npy,{loud:d},{-1 if not quick else 1}")
    text = "\n".join(["file,Loud,Quick tail", *lines, "gone.npy,1,1"])
    (root / "list.csv").write_text(text, encoding="utf-8")
    return labels


def command(data: Path, run: Path, **settings: object) -> list[str]:
    recipe = run.parent / "recipe.toml"
    recipe.touch()
    changed = ATTRIBUTES | {key.replace("__", "."): value for key, value in settings.items()}
    return ["train", f"--plugin={PLUGIN}", f"--recipe={recipe}", f"--data={data}",
            f"--run-dir={run}", "--accelerator=cpu", *as_options(changed)]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("attributes")
    write_data(home / "data")
    train(home, **{"train.preview_every": 4})
    return home / "run"


def train(home: Path, **settings: object) -> None:
    """Train on ``data`` of a folder, into ``run``."""
    (home / "recipe.toml").touch()
    python_api.train(
        PLUGIN, str(home / "recipe.toml"), data=home / "data", set=ATTRIBUTES | settings,
        run_dir=home / "run", hardware=python_api.Hardware(accelerator="cpu"), quiet=True,
    )  # fmt: skip


def test_labels_are_those_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = write_data(tmp_path / "data", 30)
    seen: Counter[tuple[float, ...]] = Counter()
    wanted: Counter[tuple[float, ...]] = Counter()
    own = StarGANObjective.losses

    def looked(self: StarGANObjective, phase: str, networks: object, batch: api.Batch,
               step: api.Step) -> api.Losses:  # fmt: skip
        for x, label, target in zip(batch["samples"], batch["label"], batch["target"],
                                    strict=True):  # fmt: skip
            assert (x.abs().max() > 1.5) == bool(label[0])
            seen[tuple(label.tolist())] += 1
            wanted[tuple(target.tolist())] += 1
        return own(self, phase, networks, batch, step)  # type: ignore[arg-type]

    monkeypatch.setattr(StarGANObjective, "losses", looked)
    train(tmp_path, **{"train.steps": 12, "train.checkpoint_every": 0})
    occur = {tuple(map(float, label)) for label in labels.values()}
    assert set(seen) == set(wanted) == occur, "no combination that nothing has"


@pytest.mark.slow
def test_each_attribute_is_judged_by_itself(run: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("evaluate", run, "--accelerator=cpu")
    assert done.code == 0, done.err
    title = next(line for line in done.out.splitlines() if line.startswith("taken_for_target"))
    table = done.out[done.out.index(title) :][:600]
    assert all(name in table for name in (*NAMES, "=1", "=0", "mean")), table
    report = json.loads((run / "evaluations/step-00000004.json").read_text())
    assert set(report["both"]) >= {"taken_for_target", "level_error"}
    assert {"Loud=1", "Loud=0", "Quick tail=1", "Quick tail=0"} <= set(report)
    assert "l1" not in report["Loud=1"], "files of other attributes are no pairs"
    page = tmp_path / "report.html"
    assert cli("report", run, "-o", page).code == 0
    assert '<th scope="row">Quick tail' in page.read_text()


def test_attributes_are_set(run: Path, cli: Cli, tmp_path: Path) -> None:
    data = run.parent / "data/pictures"

    def translated(name: str, *options: str) -> np.ndarray:
        out = tmp_path / name
        done = cli("translate", run, data, "-o", out, "--accelerator=cpu", *options)
        assert done.code == 0, done.err
        assert "12 of 12 files translated" in done.err
        return np.stack([np.load(out / f"{number} é.npy") for number in range(12)])

    loud = translated("loud", "--set-attribute=Loud=1")
    np.testing.assert_array_equal(loud, translated("same", "--direction=Loud=1"))
    both = translated("both", "--set-attribute=Loud=1", "--set-attribute=Quick tail=0", "--cycle")
    assert (tmp_path / "both/back/0 é.npy").exists()
    assert np.abs(loud - both).max() > 1e-6
    # Quick ones that are loud already are told the same.
    np.testing.assert_array_equal(loud[1], translated("q", "--set-attribute=Quick tail=1",
                                                      "--set-attribute=Loud=1")[1])  # fmt: skip
    named = {json.loads(line)["direction"] for line in
             (tmp_path / "both/translations.jsonl").read_text().splitlines()}  # fmt: skip
    assert named == {"Loud=1, Quick tail=0"}
    model = python_api.load(run, accelerator="cpu")
    item = np.load(data / "0 é.npy").astype(np.float32)
    own = {"Loud": False, "Quick tail": False}
    one = model.translate(item, set={"Loud": True}, attributes=own)
    np.testing.assert_allclose(one, loud[0], atol=1e-6)
    with pytest.raises(api.UsageError, match=r"No attribute 'Lout'. Did you"):
        model.translate(item, set={"Loud": True}, attributes={"Lout": True})


def test_what_the_table_does_not_know(run: Path, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "new.npy"
    file.write_bytes((run.parent / "data/pictures/0 é.npy").read_bytes())
    one = "--set-attribute=Loud=1"
    done = cli("translate", run, file, "-o", tmp_path / "out", one, "--accelerator=cpu")
    assert done.code != 0
    assert "so that it cannot be told which attributes it has" in done.err
    assert "Traceback" not in done.err
    all_of_them = (one, "--set-attribute=Quick tail=0")
    done = cli("translate", run, file, "-o", tmp_path / "a", *all_of_them, "--accelerator=cpu")
    assert done.code == 0, done.err
    (tmp_path / "own.csv").write_text("file,Quick tail,Loud\nnew.npy,0,0\n")
    done = cli("translate", run, file, "-o", tmp_path / "b", one, "--accelerator=cpu",
               f"--attributes={tmp_path / 'own.csv'}")  # fmt: skip
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load(tmp_path / "a/new.npy"), np.load(tmp_path / "b/new.npy"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set-attribute=Lout=1"], "no attribute 'Lout'. Did you mean 'Loud'?"),
        (["--set-attribute=Loud=2"], "expected NAME=1 or NAME=0"),
        (["--set-attribute=Loud"], "expected NAME=1 or NAME=0"),
        (["--set-attribute=Loud=1", "--to=Loud"], "Say --set-attribute, or --direction"),
        (["--to=Loud"], "say --set-attribute NAME=1 or NAME=0"),
        (["--set-attribute=Loud=1", "--samples=2"], "has one answer for each input"),
    ],
)
def test_settings_that_are_not_clear(
    run: Path, cli: Cli, tmp_path: Path, options: list[str], said: str
) -> None:
    data = run.parent / "data/pictures"
    done = cli("translate", run, data, "-o", tmp_path / "out", *options, "--accelerator=cpu")
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err


def test_resumed_exactly(run: Path, cli: Cli, tmp_path: Path) -> None:
    again = ("resume", "--accelerator=cpu")
    assert_resumes_exactly(run, tmp_path / "half", lambda half: cli(again[0], half, again[1]))


def test_data_that_fits_no_table(cli: Cli, tmp_path: Path) -> None:
    labels = write_data(tmp_path / "data")
    lines = (tmp_path / "data/list.csv").read_text().splitlines()

    def refused(text: str = "", **settings: object) -> str:
        if text:
            (tmp_path / "data/list.csv").write_text(text)
        done = cli(*command(tmp_path / "data", tmp_path / "run", **settings))
        assert done.code != 0
        assert "Traceback" not in done.err
        assert not (tmp_path / "run").exists()
        return done.err

    assert "list.cvs does not exist" in refused(data__attributes="list.cvs")
    half = "\n".join(lines[:7])
    assert f"says nothing about {len(labels) - 6} of the 12 files" in refused(half)
    quiet = "\n".join([lines[0], *(line.replace(",1,", ",0,") for line in lines[1:])])
    assert "training files have the same 'Loud', 0" in refused(quiet)
    (tmp_path / "data/more").mkdir()
    np.save(tmp_path / "data/more/0 é.npy", np.zeros(LENGTH))
    assert "are both called so" in refused("\n".join(lines))


def test_a_few_files_that_the_table_does_not_know_are_left_out(cli: Cli, tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    np.save(tmp_path / "data/pictures/other.npy", np.zeros(LENGTH))
    done = cli(*command(tmp_path / "data", tmp_path / "run"), "--dry-run")
    assert done.code == 0, done.err
    assert "left out 1 of 13 files" in done.err
    assert "other.npy" in done.err


def test_views_of_the_same_files_are_seen_alike(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(tmp_path / "data")
    fitted = {}
    monkeypatch.setattr(
        ToyCodec, "fit", lambda self, domain, windows: fitted.update({domain: len(windows)})
    )
    monkeypatch.setattr(ToyCodec, "state_dict", lambda self: {"fitted": torch.tensor(1.0)})
    monkeypatch.setattr(ToyCodec, "load_state_dict", lambda self, state: None)
    done = cli(*command(tmp_path / "data", tmp_path / "run"), "--dry-run")
    assert done.code == 0, done.err
    assert list(fitted) == ["no Loud", "Loud", "no Quick tail", "Quick tail"]
    assert len(set(fitted.values())) == 1


def test_tiles_know_their_wholes_attributes(run: Path) -> None:
    opened = python_api.open_run(run)
    translator: Translator = opened.translator
    way = opened.model.directions["Loud=1"]
    files = [Path("1 é.npy"), Path("2 é.npy")]
    codes = translator.codes.of(files, way)
    assert [code.tolist() for code in codes if code is not None] == [[0, 1], [1, 1]]
