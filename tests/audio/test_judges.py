"""The trained judges: what they are shown, with stand-ins for the models themselves."""

from typing import Any

import numpy as np
import pytest
from audio_support import tone
from cyclekit_audio import judges
from cyclekit_audio.waveform import Waveform

from cyclekit.api import Translations


def translations(outputs: list[Waveform]) -> Translations[Waveform]:
    return Translations("a", "b", outputs, outputs, [], [], outputs)


def test_similarity_compares_with_the_mean_of_either_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(sound: Waveform) -> Any:
        angle = sound.samples[0]
        return np.array([np.cos(angle), np.sin(angle)])

    def voice(*angles: float) -> list[Waveform]:
        return [Waveform(np.full(9, angle), 16_000) for angle in angles]

    monkeypatch.setattr(judges, "_embed", embed)
    portraits = judges.draw_portraits({"a": voice(-0.1, 0.1), "b": voice(1.4, 1.6)}, 0, None)  # type: ignore[arg-type]
    scored = judges.score_similarity(translations(voice(1.2)), portraits)
    assert scored["similarity_target"] == pytest.approx(np.cos(0.3))
    assert scored["similarity_source"] == pytest.approx(np.cos(1.2))


@pytest.mark.parametrize(("seconds", "stretches"), [(2, 7), (9.5, 1), (10, 1), (12, 3)])
def test_naturalness_is_the_mean_over_stretches_of_nine_seconds(
    monkeypatch: pytest.MonkeyPatch, seconds: float, stretches: int
) -> None:
    shown = []

    class Model:
        def run(self, _names: None, inputs: dict[str, Any]) -> list[Any]:
            shown.append(inputs["input_1"])
            return [np.array([[float(len(shown))]])]

    monkeypatch.setattr(judges, "_opinions", Model)
    scored = judges.score_naturalness(translations([tone(seconds, 22_050)]), None)
    assert {levels.shape for levels in shown} == {(1, 900, 120)}
    assert scored == {"dnsmos": np.mean(range(1, stretches + 1))}
    assert all(levels.dtype == np.float32 for levels in shown)
    assert all(levels.max() == 1 for levels in shown)  # the loudest is 0 dB, shown as 1
