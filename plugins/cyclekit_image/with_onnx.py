"""Translate a picture with a model that `cyclekit export` wrote: SCRIPT MODEL INPUT OUTPUT."""

import argparse
import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main(model: str, source: str, output: str, to: str | None, seed: int) -> None:
    """Read a picture, run the model on the whole of it, write the result."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["cyclekit"])
    mode = ("L", "LA", "RGB", "RGBA")[about["input"]["channels"] - 1]
    with Image.open(source) as opened:
        picture = ImageOps.exif_transpose(opened).convert(mode)
    pixels = np.atleast_3d(np.asarray(picture, dtype=np.float32))
    inputs = {"input": (pixels / 127.5 - 1).transpose(2, 0, 1)[None]}
    if "label" in about:
        targets = about["label"]["targets"]
        label = targets.get(to or about["target"]) or sys.exit(f"--to: {', '.join(targets)}")
        inputs["label"] = np.array([label], np.float32)
    if "code" in about:  # a look of many; another seed, another look
        shape = (1, about["code"]["size"])
        inputs["code"] = np.random.default_rng(seed).standard_normal(shape, np.float32)
    (made,) = session.run(["output"], inputs)
    values = ((made[0].transpose(1, 2, 0) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "source", "output"):
        parser.add_argument(name)
    parser.add_argument("--to", help="one of the model's targets")
    parser.add_argument("--seed", type=int, default=0, help="chooses the code")
    sys.excepthook = lambda kind, error, trace: print(f"error: {error}", file=sys.stderr)
    main(**vars(parser.parse_args()))
