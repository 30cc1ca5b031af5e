"""Exported files do what translate does, or are not there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from support import SMALL, Cli, as_options, draw

import cyclekit
from cyclekit.errors import DataError
from cyclekit.exporting.onnx_file import read_onnx


@pytest.fixture(scope="session")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's direction as ONNX."""
    from cyclekit.exporting.export import export_run

    file = tmp_path_factory.mktemp("exported") / "zebra.onnx"
    export_run(trained, file, "a2b")
    return file


@pytest.mark.slow
def test_the_file_says_what_it_is_and_takes_any_size(exported: Path) -> None:
    model = onnx.load(exported, load_external_data=False)
    onnx.checker.check_model(model)
    about = json.loads({entry.key: entry.value for entry in model.metadata_props}["cyclekit"])
    assert about["direction"] == "a2b"
    assert about["input"]["range"] == [-1.0, 1.0]
    assert about["multiple_of"] == [4, 4]
    assert about["codec"]["crop"] == 32
    assert "own mean" in about["tiles"]
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    assert (taken.name, taken.shape[:2]) == ("input", ["batch", 3])
    for shape in ((3, 3, 1, 1), (1, 3, 33, 70)):
        (made,) = session.run(["output"], {"input": torch.zeros(shape).numpy()})
        assert made.shape == shape
    page = exported.with_name("zebra.onnx.md").read_text()
    assert "float32 (batch, 3, height, width), in -1 to 1" in page


def test_the_script_does_what_translate_does(cli: Cli, trained: Path, exported: Path,
                                             tmp_path: Path) -> None:  # fmt: skip
    script = exported.with_name("zebra.onnx.py")
    assert len(script.read_text().splitlines()) <= 40
    draw(tmp_path / "in.png", 3, (53, 38))
    # Importing either is an error there.
    barred = "import sys; sys.modules |= dict.fromkeys(['torch', 'cyclekit'])"
    run = f"{barred}; import runpy; sys.argv = sys.argv[1:]; "
    run += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", run, script, exported, tmp_path / "in.png", tmp_path / "x.png"]
    subprocess.run(list(map(str, command)), check=True)
    (tmp_path / "none.png").write_text("no picture")
    wrong = [*command[:5], tmp_path / "none.png", tmp_path / "y.png"]
    done = subprocess.run(list(map(str, wrong)), capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert re.match(r"error: .*none\.png", done.stderr)
    assert cli("translate", trained, tmp_path / "in.png", "-o", tmp_path / "out",
               "--direction=a2b", "--precision=32-true").code == 0  # fmt: skip
    ours, theirs = (
        np.asarray(Image.open(file)).astype(int)
        for file in (tmp_path / "out/in.png", tmp_path / "x.png")
    )
    assert np.abs(ours - theirs).max() <= 1


def test_what_does_not_match_is_not_written(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyclekit.exporting import formats

    def shifted(content: bytes, name: str, graphs: Any) -> Any:
        run, about = formats.FORMATS["safetensors"].read(content, name, graphs)
        return (lambda *inputs: run(*inputs) + 3e-4), about

    kind = formats.Format("shifted", ".shifted", formats.FORMATS["safetensors"].write, shifted)
    monkeypatch.setitem(formats.FORMATS, "shifted", kind)
    file = tmp_path / "x.shifted"
    file.write_text("of before")
    outcome = cli("export", trained, "-o", file, "--direction=a2b")
    assert outcome.code == 1
    assert "largest difference 1.5e-04 of the range, 0.0001 allowed" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["x.shifted"]
    assert file.read_text() == "of before"


def test_a_file_is_compared_with_its_run(
    cli: Cli, trained: Path, exported: Path, tmp_path: Path
) -> None:
    same = cli("export", trained, "--check", exported)
    assert same.code == 0, same.err
    assert "does what" in same.out
    other = cli("export", trained, "--check", exported, "--checkpoint=2")
    assert other.code == 1
    assert "is not what" in other.err
    wrong = cli("export", trained, "--check", exported, "--direction=b2a")
    assert "translates a2b" in wrong.err
    (tmp_path / "no.onnx").write_bytes(b"no model")
    for name, said in (("no.onnx", "is no ONNX"), ("none.onnx", "No such file")):
        outcome = cli("export", trained, "--check", tmp_path / name)
        assert (outcome.code, said in outcome.err) == (1, True), outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.pt2", "x.safetensors", "x.torchscript"])
def test_other_formats_are_compared_as_well(
    cli: Cli, trained: Path, tmp_path: Path, name: str
) -> None:
    outcome = cli("export", trained, "-o", tmp_path / name, "--direction=b2a")
    assert outcome.code == 0, outcome.err
    assert "compared with translate: largest difference" in outcome.err
    assert cli("export", trained, "--check", tmp_path / name).code == 0
    assert not list(tmp_path.glob("*.py"))


@pytest.mark.slow
def test_dropout_that_lasts_is_in_the_graph_for_every_size(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    small = SMALL | {"generator.dropout": 0.5, "generator.dropout_lasts": True, "train.steps": 1}
    small |= {"train.evaluate_every": 0, "train.preview_every": 0}
    done = cli("train", "--plugin=image", "--recipe=pix2pix-demo", f"--data={folders}",
               "--set=data.parallel=true", f"--run-dir={tmp_path / 'run'}", "--accelerator=cpu",
               *as_options(small))  # fmt: skip
    assert done.code == 0, done.err
    for name in ("x.onnx", "x.torchscript"):
        outcome = cli("export", tmp_path / "run", "-o", tmp_path / name)
        assert outcome.code == 0, outcome.err


@pytest.mark.slow
def test_a_bundle_takes_and_gives_pictures(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "app.onnx"
    outcome = cli("export", trained, "-o", file, "--direction=a2b", "--format=bundle")
    assert outcome.code == 0, outcome.err
    picture = np.asarray(Image.open(draw(tmp_path / "x.png", 5, (41, 30))))
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["height", "width", 3]
    (made,) = session.run(None, {"input": picture})
    wanted = cyclekit.load(trained, precision="32-true").translate(picture, "a2b")
    assert made.dtype == np.uint8
    assert np.abs(made.astype(int) - wanted.astype(int)).max() <= 1
    assert cli("export", trained, "--check", file).code == 0
    assert "uint8 (height, width, 3), in 0 to 255" in (tmp_path / "app.onnx.md").read_text()


def test_the_file_has_the_figures_of_its_run(
    cli: Cli, trained: Path, exported: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run", symlinks=True)
    options = ("--quick", "--json", "--accelerator=cpu", "--precision=32-true")
    own = json.loads(cli("evaluate", run, *options).out)
    done = cli("evaluate", run, *options, f"--model={exported}")
    assert done.code == 0, done.err
    assert "b2a: the run's own networks" in done.err
    report = json.loads(done.out)
    assert report["model"] == "zebra.onnx"
    assert report["a2b"] == pytest.approx(own["a2b"], rel=1e-2, abs=1e-3)
    assert (run / "evaluations" / "step-00000004-zebra.onnx.json").is_file()


@pytest.mark.slow
def test_half_precision_halves_the_file(
    cli: Cli, trained: Path, exported: Path, tmp_path: Path
) -> None:
    file = tmp_path / "half.onnx"
    outcome = cli("export", trained, "-o", file, "--direction=a2b", "--precision=fp16")
    assert outcome.code == 0, outcome.err
    kinds = {
        tensor.data_type for tensor in onnx.load(file).graph.initializer if len(tensor.dims) > 1
    }
    assert kinds == {onnx.TensorProto.FLOAT16}


def with_external_weights(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def with_custom_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].domain = "com.somebody"


def without_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (with_external_weights, "names other files"),
        (with_custom_operator, "custom operator"),
        (without_metadata, "does not say what it is"),
    ],
)
def test_what_leads_out_of_the_file_is_refused(exported: Path, spoil: Any, said: str) -> None:
    model = onnx.load(exported)
    spoil(model)
    with pytest.raises(DataError, match=said):
        read_onnx(model.SerializeToString(), "x.onnx")


def test_wrong_requests_are_told(cli: Cli, trained: Path, tmp_path: Path) -> None:
    for options, said in (
        ((), "Say either"),
        (("-o", tmp_path), "is a folder"),
        (("-o", tmp_path / "x.pt2", "--format=onnx", "--direction=a2b"), "suffix says pt2"),
        (("-o", tmp_path / "x", "--format=onx", "--direction=a2b"), "'onnx'"),
        (("-o", tmp_path / "x.pt", "--direction=a2b"), ".pt is no format's suffix"),
        (("-o", tmp_path / "x.onnx"), "--direction"),
    ):
        outcome = cli("export", trained, *options)
        assert (outcome.code, said in outcome.err) == (2, True), outcome.err
    assert not list(tmp_path.iterdir())
