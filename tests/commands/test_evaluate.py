"""What ``cyclekit evaluate`` reports besides the plugin's own figures."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from support import SMALL, Cli, as_options, copied, state_of
from torch import Tensor, nn

from cyclekit.cli import main
from cyclekit.judging import classifier
from cyclekit.judging.judge import Judge


@pytest.fixture(scope="module")
def parted(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose best checkpoint is not its latest."""
    run = tmp_path_factory.mktemp("runs") / "parted"
    settings = SMALL | {"train.evaluate_every": 2, "train.learning_rate": 0.05}
    main(["train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
          f"--run-dir={run}", "--accelerator=cpu", *as_options(settings)])  # fmt: skip
    best = run / "checkpoints" / "best"
    best.unlink()
    best.symlink_to("step-00000002")
    return run


@pytest.mark.slow
def test_the_latest_and_the_best_are_both_measured(cli: Cli, parted: Path, tmp_path: Path) -> None:
    run = copied(parted, tmp_path / "run")
    report = json.loads(cli("evaluate", run, "--quick", "--json").out)
    alone = json.loads(cli("evaluate", run, "--quick", "--json", "--checkpoint=best").out)
    assert (report["step"], report["best"]["step"], alone["step"]) == (4, 2, 2)
    assert "best" not in alone
    for way in ("a2b", "b2a", "both"):
        assert report["best"][way] == alone[way]
        assert report["best"][way]["l1"] != report[way]["l1"]
    shown = cli("evaluate", run, "--quick").out
    heading = next(line for line in shown.splitlines() if "identity" in line)
    assert heading.index("latest") < heading.index("best") < heading.index("identity")
    assert "latest: step 4, best: step 2" in shown
    assert cli("report", run).code == 0
    page = (run / "report.html").read_text()
    assert "best checkpoint" in page
    assert page.count(f"{report['best']['a2b']['l1']:.4f}") == 1


def test_one_checkpoint_that_is_both_is_measured_once(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run")
    assert "best" not in json.loads(cli("evaluate", run, "--quick", "--json").out)
    assert "latest and best: step 4" in cli("evaluate", run, "--quick").out


def test_it_says_how_long_all_that_is_to_come_takes(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    said = cli("evaluate", copied(trained, tmp_path / "run"), "--quick").err.splitlines()
    measured = [line for line in said if line.startswith("measuring ")]
    again = [line.startswith(measured[0]) for line in measured]
    first = again.index(True, 1)  # the second direction begins
    assert not any("left" in line for line in measured[:first])
    assert all(line.endswith(" left") for line in measured[first:])
    assert measured[-1].endswith("about 0 s left")


def test_protocol_seed_and_number_of_items_are_said(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run")
    report = json.loads(cli("evaluate", run, "--quick", "--json").out)
    assert (report["seed"], report["test_items"]) == (0, {"a": 3, "b": 3})
    assert set(report["protocol"]) == {"pairs", "structure", "cycle"}
    assert "real" not in report, "no quick figure does without pairs"
    shown = cli("evaluate", run, "--quick").out
    assert "3 of A and 3 of B, test items; seed 0" in shown
    assert "psnr in dB" in shown


@pytest.mark.slow
def test_costly_figures_stand_beside_real_items(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "STEPS", 4)
    run = copied(trained, tmp_path / "run")
    report = json.loads(cli("evaluate", run, "--json").out)
    by_classifier = {"taken_for_target", "classifier_accuracy", "kid_classifier"}
    assert {"kid_lite0", "kid_lite2", "feature_cosine", *by_classifier} <= set(report["a2b"])
    assert set(report["real"]["a2b"]) == {"kid_lite0", "kid_lite2", *by_classifier}
    for row in (report, report["real"], *report["baselines"].values()):
        assert 0 <= row["both"]["taken_for_target"] <= 1
        assert row["a2b"]["classifier_accuracy"] == report["b2a"]["classifier_accuracy"]
    for figure in ("kid_lite0", "kid_lite2", "kid_classifier"):
        low, high = report["intervals"]["translated"]["a2b"][figure]
        assert low < high
    assert {"lite0", "domain_classifier"} <= set(report["protocol"])
    # The classifier is trained once; the same figures come again.
    (kept,) = (run / "metrics" / "domain_classifier").glob("*.safetensors")
    written = kept.stat().st_mtime_ns
    again = json.loads(cli("evaluate", run, "--json").out)
    assert again == report
    assert kept.stat().st_mtime_ns == written


@pytest.mark.slow
def test_domains_of_other_channels_have_no_classifier(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "_same_channels", False)
    done = cli("evaluate", copied(trained, tmp_path / "run"), "--json")
    assert done.code == 0, done.err
    assert done.err.count("left out the classifier") == 1
    assert "taken_for_target" not in json.loads(done.out)["a2b"]


@pytest.mark.slow
def test_training_measures_a_costly_figure_where_it_decides(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    settings = SMALL | {
        "train.steps": 2,
        "train.preview_every": 0,
        "train.best.metric": "kid_lite0",
    }
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", "--data", folders, "--run-dir",
               tmp_path / "run", "--accelerator=cpu", *as_options(settings))  # fmt: skip
    assert done.code == 0, done.err
    assert state_of(tmp_path / "run/checkpoints/best").best.metric == "kid_lite0"


class Means(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.float().mean(dim=(2, 3))


def test_settings_of_metrics_come_from_the_command_line_alone(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    run, file = copied(trained, tmp_path / "run"), tmp_path / "inception.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Means()).save(str(file))
    wrong = cli("evaluate", run, "--set=metrics.inceptoin=x")
    assert wrong.code == 2
    assert "metrics.inceptoin" in wrong.err
    assert "Did you mean 'metrics.inception'?" in wrong.err
    with (run / "recipe.toml").open("a") as recipe:
        recipe.write(f'\n[metrics]\ninception = "{file}"\n')
    refused = cli("evaluate", run, "--quick")
    assert refused.code == 2
    assert "metrics" in refused.err


def test_the_best_checkpoint_alone_is_shown(cli: Cli, parted: Path, tmp_path: Path) -> None:
    shown = cli("evaluate", copied(parted, tmp_path / "run"), "--quick", "--checkpoint=best").out
    heading = next(line for line in shown.splitlines() if "identity" in line)
    assert "best" in heading
    assert "best: step 2" in shown
