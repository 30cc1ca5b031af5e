"""Translate MIDI with a model that `cyclekit export` wrote: SCRIPT MODEL INPUT OUTPUT.

Needs onnxruntime, numpy, mido and pretty_midi.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from cyclekit_music.events import NotMidiError
from cyclekit_music.grid import NoBarsError
from cyclekit_music.notation import Notation
from cyclekit_music.piece import Array
from cyclekit_music.reading import read_bytes
from cyclekit_music.writing import to_bytes

AT_ONCE = 16  # phrases


def main(model: str, source: str, output: str, to: str | None, seed: int) -> None:
    """Read a piece, run the model on its phrases, write the result as MIDI."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["cyclekit"])
    notation = Notation.of(about["codec"])
    try:
        roll, meta, _ = notation.encode(read_bytes(Path(source).read_bytes()))
    except (NotMidiError, NoBarsError) as error:
        sys.exit(f"{source} {error}")
    channels, _, pitches = roll.shape
    phrases = roll.reshape(channels, -1, notation.window, pitches).swapaxes(0, 1)
    told: dict[str, Array] = {}
    target = to or about["target"]
    if "label" in about:
        targets = about["label"]["targets"]
        label = targets.get(target) or sys.exit(f"--to: {', '.join(targets)}")
        told["label"] = np.array([label], np.float32)
    if "code" in about:  # an arrangement of many; another seed, another one
        shape = (1, about["code"]["size"])
        told["code"] = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    made: list[Array] = []
    for start in range(0, len(phrases), AT_ONCE):
        some = phrases[start : start + AT_ONCE].astype(np.float32)
        inputs = {"input": some} | {key: one.repeat(len(some), 0) for key, one in told.items()}
        made += list(session.run(["output"], inputs)[0])
    values = np.stack(made, axis=1).reshape(len(made[0]), -1, pitches)
    piece = notation.decode(values, target, meta)
    Path(output).write_bytes(to_bytes(piece))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "source", "output"):
        parser.add_argument(name)
    parser.add_argument("--to", help="one of the model's targets")
    parser.add_argument("--seed", type=int, default=0, help="chooses the code")
    sys.excepthook = lambda kind, error, trace: print(f"error: {error}", file=sys.stderr)
    main(**vars(parser.parse_args()))
