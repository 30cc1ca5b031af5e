"""Other tools that show a training: what they get, and that none of them can stop it."""

import csv
import sys
from pathlib import Path

import pytest
from support import SMALL, Cli, records, training

import cyclekit

ARGUMENTS = training("image", "horse2zebra", SMALL)
OBSERVER = Path(cyclekit.__file__).parents[1] / "examples/csv_observer.py"


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_one_that_is_missing_or_down_stops_nothing(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # not installed
    monkeypatch.delitem(sys.modules, "cyclekit.training.trackers.with_wandb", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody listens
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = tmp_path / "run"
    logs = "['csv', 'wandb', 'mlflow', 'tensorboard']"
    extensions = f"['{OBSERVER}']"
    done = cli(*ARGUMENTS(folders, run, train__log=logs, extensions=extensions))
    assert done.code == 0, done.err
    assert "Weights & Biases shows nothing: it needs wandb" in done.err
    assert "MLflow shows no" in done.err
    assert "Traceback" not in done.err
    logged = [record for record in records(run) if "evaluation" not in record]
    shown = rows(run / "csv/from-step-00000000/metrics.csv")
    losses = [row for row in shown if row["train/cycle_a"]]
    assert [int(row["step"]) for row in losses] == [record["step"] for record in logged]
    assert float(losses[-1]["train/cycle_a"]) == pytest.approx(logged[-1]["cycle_a"])
    assert float(losses[0]["train/learning_rate_generators"]) > 0
    assert any(row["test/a2b/l1"] for row in shown)
    assert list((run / "tensorboard").glob("events*"))
    observed = rows(tmp_path / "run-losses/version_0/metrics.csv")
    assert [int(row["step"]) for row in observed] == [record["step"] for record in logged]
    resumed = cli("resume", run, "--steps=6")
    assert resumed.code == 0, resumed.err
    assert rows(run / "csv/from-step-00000000/metrics.csv") == shown
    assert rows(run / "csv/from-step-00000004/metrics.csv")[0]["step"] == "6"


def test_the_example_is_short() -> None:
    assert len(OBSERVER.read_text().splitlines()) <= 25


@pytest.mark.slow
def test_weights_and_biases_without_a_network(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="needs wandb (pip install 'cyclekit[trackers]')")
    monkeypatch.setenv("WANDB_MODE", "offline")
    done = cli(*ARGUMENTS(folders, tmp_path / "run", train__log="['wandb']"))
    assert done.code == 0, done.err
    assert "shows no" not in done.err
    (kept,) = (tmp_path / "run/wandb/wandb").glob("offline-run-*/*.wandb")
    content = kept.read_bytes()
    for name in (b"train/cycle_a", b"test/a2b/l1", b"learning_rate_generators", b"samples"):
        assert name in content
    assert not (tmp_path / "run/tensorboard").exists()


@pytest.mark.slow
def test_mlflow_without_a_server(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="needs mlflow (pip install 'cyclekit[trackers]')")
    store = tmp_path / "store"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # which needs no data base
    done = cli(*ARGUMENTS(folders, tmp_path / "run", train__log="['mlflow']"))
    assert done.code == 0, done.err
    assert "shows no" not in done.err
    (losses,) = store.glob("*/*/metrics/train/cycle_a")
    assert [line.split()[2] for line in losses.read_text().splitlines()] == ["2", "4"]
    assert list(store.glob("*/*/metrics/test/a2b/l1"))
    assert list(store.glob("*/*/artifacts/samples/step-00000004/*.png"))
    assert list(store.glob("*/*/params/train.learning_rate"))
