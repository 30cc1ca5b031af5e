"""Films translated frame by frame: what comes back, and what does not change."""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cyclekit_image import video
from cyclekit_image.arrays import Item
from cyclekit_image.video import Film
from support import Cli, draw

from cyclekit.errors import BadSample
from cyclekit.extras import install_command

EVEN = tuple(range(0, 24 * 40, 40))  # ms
UNEVEN = (0, 40, 100, 110, 300, 460, 470, 1000)


def picture(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray[Any, Any]:
    """A gradient with a bright bar at its left that goes down."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    made = np.stack([rows * 3, columns * 2, np.full_like(rows, 90)], axis=2).clip(0, 255)
    made[(2 * number) % height :][:6, : width // 4] = 230
    return made.astype(np.uint8)


def film(
    path: Path, times: Sequence[int] = EVEN, sound: str = "aac", turn: int = 0, **colours: int
) -> Path:
    """A film with a frame at each time, in ms, and a tone."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in colours.items():
            setattr(stream.codec_context, name, value)
        if turn:
            stream.set_display_rotation(turn)
        tone = container.add_stream(sound, rate=48000, layout="mono") if sound else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=colours.get("colorspace", 5),
                src_color_range=2,
                dst_color_range=colours.get("color_range", 1),
            )
            frame.pts, frame.time_base, frame.duration = time, Fraction(1, 1000), 40
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            wave = (0.3 * np.sin(np.arange(48000) / 20)).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            samples.sample_rate, samples.pts, samples.time_base = 48000, 0, Fraction(1, 48000)
            container.mux([*tone.encode(samples), *tone.encode(None)])
    return path


def told(path: Path) -> dict[str, Any]:
    """What a film says of itself, and what is in it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        found: dict[str, Any] = {
            "colours": (context.color_range, context.color_primaries, context.color_trc,
                        context.colorspace),
            "seconds": container.duration / 1e6,
            "times": [], "frames": [], "turn": 0, "sound": [],
        }  # fmt: skip
        for packet in container.demux():
            if packet.stream.type == "audio":
                found["sound"].append(bytes(packet))
                continue
            for frame in packet.decode():
                found["turn"] = frame.rotation
                found["times"].append(round(float(frame.time) * 1000))
                found["frames"].append(frame.to_ndarray(format="rgb24"))
        return found


def unchanged(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
    return ([item] for item in items)


def copied(source: Path, to: Path) -> dict[str, Any]:
    """What is read and written again without a change."""
    to.parent.mkdir(exist_ok=True)
    Film(source, 3, "codec.channels").rewrite(unchanged, [to])
    return told(to)


@pytest.mark.slow
@pytest.mark.parametrize("times", [EVEN, UNEVEN])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_times_length_and_sound_stay(tmp_path: Path, times: Sequence[int], suffix: str) -> None:
    before = told(film(tmp_path / f"x{suffix}", times))
    after = copied(tmp_path / f"x{suffix}", tmp_path / f"out/x{suffix}")
    assert after["times"] == before["times"] == list(times)
    assert after["sound"] == before["sound"] != []
    assert after["seconds"] == pytest.approx(before["seconds"], abs=0.005)
    for one, other in zip(before["frames"], after["frames"], strict=True):
        assert np.abs(one.astype(int) - other).mean() < 2


@pytest.mark.parametrize(
    "colours",
    [
        {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1},
        {"color_range": 2, "colorspace": 5, "color_primaries": 5, "color_trc": 6},
        {},
    ],
)
def test_colours_stay_what_they_are(tmp_path: Path, colours: dict[str, int]) -> None:
    before = told(film(tmp_path / "x.mp4", EVEN[:4], **colours))
    seen = []

    def noted(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
        for item in items:
            seen.append(np.asarray(item).astype(int))
            yield [item]

    Film(tmp_path / "x.mp4", 3, "").rewrite(noted, [tmp_path / "y.mp4"])
    after = told(tmp_path / "y.mp4")
    assert after["colours"] == before["colours"]
    # Right as they are seen, and written so that a player sees the same again.
    assert np.abs(seen[0] - picture(0)).mean() < 4
    assert np.abs(before["frames"][0].astype(int) - after["frames"][0]).mean() < 2


@pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_rotation"),
    reason="older versions of av cannot write a turned film",
)
def test_turned_films_are_seen_and_written_upright(tmp_path: Path) -> None:
    before = told(film(tmp_path / "x.mp4", EVEN[:3], turn=90))
    (first, *_) = Film(tmp_path / "x.mp4", 3, "").sample(1)
    assert first.size == (48, 64)  # type: ignore[union-attr]
    upright = np.rot90(picture(0), round(before["turn"] / 90))
    assert np.abs(np.asarray(first).astype(int) - upright).mean() < 4
    after = copied(tmp_path / "x.mp4", tmp_path / "out/x.mp4")
    assert after["turn"] == 0
    assert np.abs(after["frames"][0].astype(int) - upright).mean() < 5


def test_statistics_are_taken_from_all_over(tmp_path: Path) -> None:
    film(tmp_path / "x.mp4", range(0, 80 * 500, 500))
    found = [
        np.asarray(item)[:, 0, 0].argmax() for item in Film(tmp_path / "x.mp4", 3, "").sample(9)
    ]
    assert len(found) == 9


@pytest.mark.slow
def test_a_film_is_never_all_in_memory(tmp_path: Path) -> None:
    film(tmp_path / "x.mp4", range(0, 200 * 40, 40))
    waiting, most = 0, 0

    def counted(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
        nonlocal waiting, most
        for item in items:
            waiting += 1
            most = max(most, waiting)
            yield [item, item]
            waiting -= 1

    both = [tmp_path / "y.mp4", tmp_path / "z.mp4"]
    Film(tmp_path / "x.mp4", 3, "").rewrite(counted, both)
    assert most == 1
    assert [len(told(file)["frames"]) for file in both] == [200, 200]
    assert told(both[0])["sound"] == told(both[1])["sound"] == told(tmp_path / "x.mp4")["sound"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_broken_film_ends_with_what_could_be_read(
    cli: Cli, trained: Path, tmp_path: Path, suffix: str
) -> None:
    whole = film(tmp_path / f"whole{suffix}", range(0, 200 * 40, 40), sound="")
    content = whole.read_bytes()
    (tmp_path / f"x{suffix}").write_bytes(content[: len(content) // 2])
    done = cli("translate", trained, tmp_path / f"x{suffix}", "-o", tmp_path / "out",
               "--direction=a2b")  # fmt: skip
    assert done.code == 0, done.err
    assert f"x{suffix} breaks off: " in done.err
    assert "of 8.0 seconds can be read" in done.err
    assert 20 < len(told(tmp_path / f"out/x{suffix}")["frames"]) < 180


def test_what_is_no_film_is_named(cli: Cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{film(tmp_path / 'x.mp4')}\n")
    with av.open(str(tmp_path / "heard.mp4"), "w") as container:
        tone = container.add_stream("aac", rate=48000, layout="mono")
        silence = np.zeros((1, 4800), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux([*tone.encode(frame), *tone.encode(None)])
    names = ("text.mp4", "list.mp4", "heard.mp4", "gone.mp4")
    done = cli("translate", trained, *(tmp_path / name for name in names), "-o", tmp_path / "out",
               "--direction=a2b")  # fmt: skip
    assert done.code == 1
    assert "text.mp4: cannot be read as a film" in done.err
    assert "list.mp4: cannot be read as a film" in done.err
    assert "heard.mp4: holds no moving pictures" in done.err
    assert "gone.mp4: no such file" in done.err
    assert "0 of 4 files translated" in done.err


def test_without_the_package_the_command_to_install_it(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "x.mp4", EVEN[:2])
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    done = cli("translate", trained, tmp_path / "x.mp4", "-o", tmp_path, "--direction=a2b",
               "--suffix=-b")  # fmt: skip
    assert done.code == 1
    assert install_command("video") in done.err


def test_sound_that_does_not_fit_is_told(tmp_path: Path) -> None:
    film(tmp_path / "x.mp4", EVEN[:2])
    with pytest.raises(BadSample, match="cannot hold sound in aac"):
        copied(tmp_path / "x.mp4", tmp_path / "x.webm")


def test_translate_writes_films_beside_pictures(cli: Cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    film(tmp_path / "in/clip.mp4", EVEN[:6])
    draw(tmp_path / "in/still.png", 0)
    arguments = ("translate", trained, tmp_path / "in", "-o", tmp_path / "out", "--direction=a2b",
                 "--cycle", "--side-by-side")  # fmt: skip
    done = cli(*arguments)
    assert done.code == 0, done.err
    for folder, width in (("", 64), ("back", 64), ("side-by-side", 3 * 64 + 16)):
        made = told(tmp_path / "out" / folder / "clip.mp4")
        assert made["times"] == list(EVEN[:6])
        assert made["frames"][0].shape == (48, width, 3)
        assert made["sound"]
        assert (tmp_path / "out" / folder / "still.png").exists()
    lines = (tmp_path / "out/translations.jsonl").read_text().splitlines()
    outputs = {json.loads(line)["output"] for line in lines}
    assert outputs == {"clip.mp4", "still.png"}
    again = cli(*arguments, "--skip-existing")
    assert "skipped 2 of 2 files" in again.err


def test_a_film_is_one_whatever_it_is_called(cli: Cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    film(tmp_path / "clip.mp4", EVEN[:4]).rename(tmp_path / "in/clip")
    draw(tmp_path / "still.png", 0).rename(tmp_path / "in/still.mp4")
    done = cli("translate", trained, tmp_path / "in", "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 0, done.err
    assert (tmp_path / "out/still.png").exists()
    (made,) = (file for file in (tmp_path / "out").iterdir() if file.stem == "clip")
    assert len(told(made)["times"]) == 4


def test_a_single_result_can_be_named(cli: Cli, trained: Path, tmp_path: Path) -> None:
    source = film(tmp_path / "clip.mp4", EVEN[:4])
    before = source.read_bytes()
    done = cli("translate", trained, source, "-o", tmp_path / "b.mkv", "--direction=a2b")
    assert done.code == 0, done.err
    first, *others = told(tmp_path / "b.mkv")["times"]  # Matroska has no times below 0, as sound's
    assert [time - first for time in others] == list(EVEN[1:4])
    for wrong, inputs in ((source, [source]), (tmp_path / "c.mp4", [source, source.parent])):
        refused = cli("translate", trained, *inputs, "-o", wrong, "--direction=a2b")
        assert refused.code == 2
        assert "with -o" in refused.err
    assert source.read_bytes() == before
