"""Objectives that are no CycleGAN, each through every verb: one direction, pairs, many domains."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from objectives.one_way import OneWay
from objectives.toy import toy, write_signals
from ranks import on_two_ranks
from safetensors.torch import load_file, save_file
from support import QUICK, Cli, as_options, assert_resumes_exactly, copied, records

from cyclekit.api import Direction
from cyclekit.names import heading
from cyclekit.randomness import torch_generator
from cyclekit.testing import run_checks

HERE = Path(__file__).parent
SMALL = QUICK | {
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "discriminator.layers": 2,
    "train.ema": 0.9,
    "train.evaluate_every": 4,
    "train.precision": "32-true",
}


@dataclass(frozen=True)
class Kind:
    """An objective of the tests.

    Attributes:
        name: Of its file and modality.
        domains: In its data.
        directions: That it translates in.
        network: One of those that translate, by direction.
        settings: Besides the others.
    """

    name: str
    domains: tuple[str, ...]
    directions: tuple[str, ...]
    network: str
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def plugin(self) -> str:
        return str(HERE / f"{self.name}.py")


ALL = {
    kind.name: kind
    for kind in (
        Kind("one_way", ("rough", "smooth"), ("rough2smooth",), "polish"),
        Kind("pairs", ("sketch", "photo"), ("sketch2photo",), "generator"),
        Kind(
            "labels",
            ("low", "middle", "high"),
            ("low2middle", "low2high", "middle2low", "middle2high", "high2low", "high2middle"),
            "generator",
        ),
        Kind(
            "many",
            ("low", "middle", "high"),
            # In the order of the folders, by which it found its domains.
            ("High2Low", "High2Middle", "Low2High", "Low2Middle", "Middle2High", "Middle2Low"),
            "generator",
            {"objective.generator_every": 2, "objective.identity.weight": 1.0},
        ),
        Kind("paired", ("a", "b"), ("b2a",), "generator_{}", {"objective.direction": "b2a"}),
        Kind("contrast", ("a", "b"), ("a2b",), "generator_{}", {"objective.flip": True}),
        Kind(
            "semi",
            ("a", "b"),
            ("a2b", "b2a"),
            "generator_{}",
            {"objective.supervised.weight": 5.0, "objective.history_size": 4},
        ),
        Kind(
            "answers",
            ("a", "b"),
            ("a2b", "b2a"),
            "generator_{}",
            {
                "objective.code.size": 3,
                "objective.encoder.layers": 2,
                "objective.encoder.channels": 4,
                "objective.supervised.weight": 1.0,
            },
        ),
    )
}


def arguments(kind: Kind, data: Path, run: Path, **settings: object) -> list[str]:
    recipe = data.parent / "recipe.toml"
    recipe.touch()
    changed = (
        SMALL
        | dict(kind.settings)
        | {key.replace("__", "."): value for key, value in settings.items()}
    )
    return ["train", f"--plugin={kind.plugin}", f"--recipe={recipe}", f"--data={data}",
            f"--run-dir={run}", "--accelerator=cpu", *as_options(changed)]  # fmt: skip


@pytest.fixture(params=list(ALL))
def kind(request: pytest.FixtureRequest) -> Kind:
    return ALL[request.param]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """Each objective's data, made once."""
    made: dict[str, Path] = {}

    def data(kind: Kind) -> Path:
        if kind.name not in made:
            made[kind.name] = tmp_path_factory.mktemp(kind.name) / "data"
            write_signals(made[kind.name], kind.domains)
        return made[kind.name]

    return data


Folder = Callable[[Kind], Path]


@pytest.fixture(scope="module")
def runs() -> dict[str, Path]:
    return {}


@pytest.fixture
def trained(
    kind: Kind,
    folder: Folder,
    runs: dict[str, Path],
    cli: Cli,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run of four steps, trained once for each objective."""
    if kind.name not in runs:
        run = tmp_path_factory.mktemp(kind.name) / "run"
        done = cli(*arguments(kind, folder(kind), run))
        assert done.code == 0, done.err
        runs[kind.name] = run
    return runs[kind.name]


@pytest.mark.slow
def test_it_keeps_the_contract(kind: Kind, cli: Cli) -> None:
    done = cli("plugins", "check", kind.plugin)
    assert done.code == 0, done.out
    assert "failed" not in done.out


@pytest.mark.slow
def test_every_direction_translates_with_averaged_weights_of_all_networks(
    kind: Kind, trained: Path, folder: Folder, cli: Cli, tmp_path: Path
) -> None:
    for way in kind.directions:
        source = folder(kind) / f"test{way.partition('2')[0].capitalize()}"
        command = ("translate", source, f"--direction={way}", "--accelerator=cpu")
        results = []
        for run in (
            trained,
            marked(kind.network.format(way), copied(trained, tmp_path / f"{way}-marked")),
        ):
            out = tmp_path / f"{way}-{run.name}"
            done = cli(command[0], run, *command[1:], "-o", out)
            assert done.code == 0, done.err
            results.append([np.load(file) for file in sorted(out.glob("*.npy"))])
        assert [made.shape for made in results[0]] == [(48,), (48,)]
        # The average alone was changed, of one network: it is what translates.
        for made, other in zip(*results, strict=True):
            assert not np.allclose(made, other)


def marked(network: str, run: Path) -> Path:
    """The run with another moving average of a network."""
    checkpoint = (run / "checkpoints/latest").resolve()
    file = checkpoint / f"{network}.ema.safetensors"
    weights = {name: 1.5 * tensor + 0.1 for name, tensor in load_file(file).items()}
    save_file(weights, file)
    written = json.loads((checkpoint / "checkpoint.json").read_text())
    written["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (checkpoint / "checkpoint.json").write_text(json.dumps(written))
    return run


def test_one_direction_need_not_be_named(
    kind: Kind, trained: Path, folder: Folder, cli: Cli, tmp_path: Path
) -> None:
    source = folder(kind) / f"test{kind.directions[0].partition('2')[0].capitalize()}"
    done = cli("translate", trained, source, "-o", tmp_path / "out", "--accelerator=cpu")
    if len(kind.directions) == 1:
        assert done.code == 0, done.err
    else:
        assert f"Say which direction to translate in: {', '.join(kind.directions)}" in done.err


@pytest.mark.slow
def test_it_is_evaluated_and_reported(kind: Kind, trained: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("evaluate", trained, "--json", "--accelerator=cpu")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert {*kind.directions, "both"} <= report.keys()
    for way in kind.directions:
        assert {"l1", "level_error", "taken_for_target"} <= report[way].keys()
    page = tmp_path / "report.html"
    assert cli("report", trained, "-o", page).code == 0
    text = page.read_text()
    assert " → ".join(map(heading, kind.directions[0].split("2"))) in text
    assert ("Mean of all directions" in text) == (len(kind.directions) > 1)


CODED = {"pairs": ("sketch2photo", 3), "answers": ("a2b", 3)}
"""Directions that take a code, and its size."""
LABELLED = ("many",)


@pytest.mark.slow
def test_exported_it_is_what_translates(
    kind: Kind, trained: Path, folder: Folder, cli: Cli, tmp_path: Path
) -> None:
    way, size = CODED.get(kind.name, (kind.directions[-1], 0))
    file = tmp_path / "x.onnx"
    labelled = kind.name in LABELLED
    done = cli("export", trained, "-o", file, *([] if labelled else [f"--direction={way}"]))
    assert done.code == 0, done.err
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["cyclekit"])
    wanted: dict[str, list[object]] = {"input": ["batch", 1, "size_1"]}
    wanted |= {"label": ["batch", len(kind.domains)]} if labelled else {}
    wanted |= {"code": ["batch", size]} if size else {}
    assert {one.name: one.shape for one in session.get_inputs()} == wanted
    source, _, target = way.lower().partition("2")
    sound = sorted((folder(kind) / f"test{source.capitalize()}").iterdir())[0]
    out = tmp_path / "out"
    assert cli("translate", trained, sound, "-o", out, f"--direction={way}",
               "--accelerator=cpu").code == 0  # fmt: skip
    fed = {"input": np.load(sound).astype(np.float32)[None, None]}
    if labelled:
        targets = {name.lower(): label for name, label in about["label"]["targets"].items()}
        assert {*targets} == {name.lower() for name in kind.domains}
        fed["label"] = np.array([targets[target]], np.float32)
    if size:
        rng = torch_generator("code", 0, way, sound.name)
        fed["code"] = torch.randn(size, generator=rng)[None].numpy()
    (made,) = session.run(None, fed)
    assert np.allclose(made[0, 0], np.load(out / sound.name), atol=1e-4)
    assert cli("export", trained, "--check", file).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["answers", "many"])
def test_a_file_with_labels_or_codes_has_the_figures_of_its_run(
    name: str, folder: Folder, cli: Cli, tmp_path: Path
) -> None:
    kind, run, file = ALL[name], tmp_path / "run", tmp_path / "x.onnx"
    assert cli(*arguments(kind, folder(kind), run)).code == 0
    way = CODED.get(name, (kind.directions[-1], 0))[0]
    for other in ("x.torchscript", "x.onnx"):
        done = cli("export", run, "-o", tmp_path / other, f"--direction={way}")
        assert done.code == 0, done.err
    options = ("--quick", "--json", "--accelerator=cpu", "--precision=32-true")
    own = json.loads(cli("evaluate", run, *options).out)
    done = cli("evaluate", run, *options, f"--model={file}")
    assert done.code == 0, done.err
    told = kind.directions if name in LABELLED else [way]
    assert f"{', '.join(told)}: {file}" in done.err
    assert json.loads(done.out)[way] == pytest.approx(own[way], rel=1e-3, abs=1e-4)


@pytest.mark.slow
def test_it_goes_on_bit_for_bit(kind: Kind, trained: Path, cli: Cli, tmp_path: Path) -> None:
    def resume(run: Path):  # type: ignore[no-untyped-def]
        return cli("resume", run, "--accelerator=cpu")

    assert_resumes_exactly(trained, tmp_path / "halved", resume)


def test_a_checkpoint_without_one_network_is_refused(
    kind: Kind, trained: Path, folder: Folder, cli: Cli, tmp_path: Path
) -> None:
    source = folder(kind) / f"test{kind.directions[0].partition('2')[0].capitalize()}"
    translate = ("-o", tmp_path / "out", f"--direction={kind.directions[0]}", "--accelerator=cpu")
    for ending, verb, more in (
        (".ema.safetensors", "translate", (source, *translate)),
        (".safetensors", "resume", ("--steps=6", "--accelerator=cpu")),
    ):
        network = kind.network.format(kind.directions[0])
        run, name = copied(trained, tmp_path / verb), f"{network}{ending}"
        checkpoint = (run / "checkpoints/latest").resolve()
        written = json.loads((checkpoint / "checkpoint.json").read_text())
        del written["files"][name]
        (checkpoint / "checkpoint.json").write_text(json.dumps(written))
        (checkpoint / name).unlink()
        done = cli(verb, run, *more)
        assert done.code != 0
        assert network in done.err
        assert "Traceback" not in done.err


@pytest.mark.slow
def test_low_memory_is_the_same(kind: Kind, folder: Folder, cli: Cli, tmp_path: Path) -> None:
    logged = []
    for memory in ("normal", "low"):
        run = tmp_path / memory
        settings = {"train__memory": memory, "train__precision": "64-true"}
        settings |= {"train__evaluate_every": 0, "train__preview_every": 0}
        done = cli(*arguments(kind, folder(kind), run, **settings))
        assert done.code == 0, done.err
        logged.append(records(run))
    for one, other in zip(*logged, strict=True):
        assert one == pytest.approx(other, rel=1e-9)


@pytest.mark.slow
def test_two_ranks_equal_one(folder: Folder, cli: Cli, tmp_path: Path) -> None:
    settings: dict[str, object] = {
        "train__precision": "64-true",
        "train__evaluate_every": 0,
        "train__preview_every": 0,
        "train__checkpoint_every": 0,
    }
    own: dict[str, dict[str, object]] = {
        "one_way": {"objective__history_size": 0},  # buffers are each rank's own
        "semi": {"objective__history_size": 0},
        # A bias before a norm has no gradient but rounding, which Adam makes steps of.
        "labels": {"discriminator__norm": "none"},
        "many": {"discriminator__norm": "none"},
    }
    shared = []
    for kind in ALL.values():
        mine = settings | own.get(kind.name, {})
        alone = arguments(kind, folder(kind), tmp_path / kind.name, **mine, train__batch_size=4)
        assert cli(*alone).code == 0, kind.name
        run = tmp_path / f"{kind.name}-shared"
        shared.append(arguments(kind, folder(kind), run, **mine, train__batch_size=2))
    on_two_ranks(shared, tmp_path)
    for name in ALL:
        one, two = (tmp_path / run / "checkpoints/latest" for run in (name, f"{name}-shared"))
        weights = [
            file for file in one.glob("*.safetensors") if file.stem not in ("state", "codec")
        ]
        assert len(weights) > 1
        for file in weights:
            again = load_file(two / file.name)
            for key, tensor in load_file(file).items():
                assert (tensor - again[key]).abs().max() < 1e-8, (name, file.name, key)


def test_a_phase_is_left_out_of_the_steps_between(folder: Folder, cli: Cli, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = cli(*arguments(ALL["labels"], folder(ALL["labels"]), run, train__log_every=1,
                          train__evaluate_every=0, train__preview_every=0))  # fmt: skip
    assert done.code == 0, done.err
    assert ["fool" in record for record in records(run)] == [False, True, False, True]


def test_the_bad_half_of_a_pair_drops_the_pair(folder: Folder, cli: Cli, tmp_path: Path) -> None:
    kind = ALL["pairs"]
    data = tmp_path / "there" / "data"
    shutil.copytree(folder(kind), data)
    (data / "trainPhoto/0.npy").write_bytes(b"nothing")
    np.save(data / "trainPhoto/1.npy", np.zeros(60))
    np.save(data / "trainSketch/lonely.npy", np.zeros(48))
    done = cli(*arguments(kind, data, tmp_path / "run"))
    assert done.code == 0, done.err
    assert "4 pairs of training files in sketch and photo" in done.err
    assert "without a counterpart: 2 of sketch" in done.err
    assert "1 pairs are left out, since their halves differ in size" in done.err
    for file in (data / "trainPhoto").iterdir():
        file.rename(file.with_name(f"other-{file.name}"))
    refused = cli(*arguments(kind, data, tmp_path / "none"))
    assert "there are none: no names are equal" in refused.err
    assert not (tmp_path / "none").exists()


def test_a_network_that_no_direction_names_translates_nothing() -> None:
    class Silent(OneWay):
        directions = (Direction("rough", "smooth", ("generator",)),)

    broken = {r.name: r.message for r in run_checks(toy("silent", Silent)) if r.outcome == "failed"}
    assert list(broken) == ["translate"]
    assert (
        "calls the network 'polish', but direction 'rough2smooth' does not name it"
        in (broken["translate"])
    )


@pytest.mark.parametrize(
    ("name", "setting", "said"),
    [
        ("one_way", {"generator.name": "unet_128"}, "needs a generator with inner features"),
        ("labels", {"discriminator.name": "pixel"}, "with logits for whole samples, which"),
    ],
)
def test_networks_that_cannot_are_refused(
    folder: Folder, cli: Cli, tmp_path: Path, name: str, setting: dict[str, object], said: str
) -> None:
    kind = ALL[name]
    (tmp_path / "recipe.toml").touch()
    done = cli("train", f"--plugin={kind.plugin}", f"--recipe={tmp_path / 'recipe.toml'}",
               f"--data={folder(kind)}", f"--run-dir={tmp_path / 'run'}",
               *as_options(setting))  # fmt: skip
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()


def test_a_fault_in_an_objective_is_not_called_one_of_sizes(tmp_path: Path, cli: Cli) -> None:
    source = (HERE / "one_way.py").read_text(encoding="utf-8")
    broken = source.replace('batch["rough"]', 'batch["x"]')
    assert broken != source
    (tmp_path / "broken.py").write_text(broken.replace("one-way", "broken-way"), encoding="utf-8")
    (tmp_path / "quick.toml").write_text('[objective]\nname = "broken-way"\n', encoding="utf-8")
    write_signals(tmp_path / "data", ("rough", "smooth"))
    made = (f"--plugin={tmp_path / 'broken.py'}", f"--recipe={tmp_path / 'quick.toml'}")
    outcome = cli("train", *made, f"--data={tmp_path / 'data'}", *as_options(SMALL))
    assert outcome.code == 1
    assert "Objective 'broken-way' failed in its losses" in outcome.err
    assert "KeyError: 'x' (at broken.py:" in outcome.err
    assert "larger windows" not in outcome.err
