"""Figures say what their names say."""

import numpy as np
import pytest
from audio_support import speech, tone
from cyclekit_audio import world
from cyclekit_audio.baselines import match_mels
from cyclekit_audio.judging import align, log_mel
from cyclekit_audio.metrics import compare_mels, score_movement, score_pairs
from cyclekit_audio.waveform import Array, Waveform
from support import mean_figures

from cyclekit.api import Translations


def translations(outputs: list[Waveform], truths: list[Waveform]) -> Translations[Waveform]:
    return Translations("a", "b", truths, outputs, [], truths, truths)


def stretched(sound: Waveform, factor: float) -> Waveform:
    """The same at another tempo, its frames repeated or left out (pitch stays)."""
    hop = 400
    count = len(sound.samples) // hop
    places = (np.arange(int(count * factor)) / factor).astype(int)
    return Waveform(sound.samples[: count * hop].reshape(count, hop)[places].ravel(), sound.rate)


def test_mel_l1_of_a_sound_with_itself_is_nothing() -> None:
    assert compare_mels(speech(0), speech(0)) == 0
    assert mean_figures(score_pairs)(translations([speech(0)], [speech(0)]), None) == {"mel_l1": 0}


def test_mel_l1_forgives_tempo_and_loudness_but_not_another_voice() -> None:
    one = speech(0)
    louder = Waveform(one.samples * np.float32(1.5), one.rate)
    assert compare_mels(one, louder) < 0.01
    slower = compare_mels(stretched(one, 1.2), one)
    assert slower < 0.7 * compare_mels(speech(0, "B"), one)


def test_alignment_finds_a_delay() -> None:
    rng = np.random.default_rng(0)
    x: Array = rng.standard_normal((30, 5))
    y = np.concatenate([np.repeat(x[:1], 4, axis=0), x])
    path = align(x, y)
    assert np.abs(x[path[0]] - y[path[1]]).max() == 0
    assert (path[0][0], path[1][0], path[0][-1], path[1][-1]) == (0, 0, 29, 33)


def test_modulation_sees_what_is_too_smooth() -> None:
    sounds = [speech(seed) for seed in range(3)]
    same = mean_figures(score_movement)(translations(sounds, sounds), None)
    assert same == {"modulation": 0, "duration_ratio": 1}
    others = mean_figures(score_movement)(
        translations([speech(seed) for seed in range(5, 8)], sounds), None
    )
    held = [Waveform(np.tile(s.samples[4000:6000], 10), s.rate) for s in sounds]
    frozen = mean_figures(score_movement)(translations(held, sounds), None)
    assert frozen["modulation"] > 2 * others["modulation"]


def test_mean_and_variance_matching_moves_the_bands() -> None:
    a, b = [speech(seed) for seed in range(4)], [speech(seed + 10, "B") for seed in range(4)]
    convert = match_mels(a, b)
    made = convert(a[0])
    assert len(made.samples) == len(a[0].samples)
    target = np.concatenate([log_mel(sound) for sound in b]).mean(axis=0)
    before, after = (np.abs(log_mel(s).mean(axis=0) - target).mean() for s in (a[0], made))
    assert after < 0.8 * before


@pytest.mark.skipif(not world.AVAILABLE, reason="pyworld is not installed: cyclekit[metrics]")
class TestWorld:
    def test_the_cepstrum_leads_back_to_its_envelope(self) -> None:
        envelope = world.analyse(speech(0)).envelope
        back = world.envelope_of(world.mel_cepstrum(envelope, 200), envelope.shape[1])
        assert np.abs(np.log10(back / envelope)).mean() * 10 < 0.1

    def test_a_flat_envelope_has_no_cepstrum_but_c0(self) -> None:
        cepstrum = world.mel_cepstrum(np.full((2, 513), np.e))
        np.testing.assert_allclose(cepstrum[:, 1:], 0, atol=1e-9)
        np.testing.assert_allclose(cepstrum[:, 0], 0.5, atol=1e-9)

    def test_distances(self) -> None:
        same = mean_figures(world.score_pairs)(translations([speech(0)], [speech(0)]), None)
        assert same == {"mcd": 0, "vuv_error": 0, "f0_rmse": 0}
        other = mean_figures(world.score_pairs)(
            translations([speech(0, "A")], [speech(0, "B")]), None
        )
        assert other["mcd"] > 2
        octave = mean_figures(world.score_pairs)(
            translations([tone(1, pitch=220)], [tone(1, pitch=110)]), None
        )
        assert octave["f0_rmse"] == pytest.approx(1200, abs=20)

    def test_the_linear_converter_brings_the_pitch_along(self) -> None:
        a, b = ([tone(1, pitch=p * n) for n in (0.95, 1, 1.05)] for p in (220, 110))
        made = world.match_speech(a, b)(a[1])
        assert len(made.samples) == len(a[1].samples)
        found = mean_figures(world.score_pairs)(translations([made], [b[1]]), None)
        assert found["f0_rmse"] < 100
