"""Write two pages from the code, the contract's and Python's: `python docs/make_plugin_reference.py`."""

import inspect
import re
from pathlib import Path
from typing import Any

import cyclekit
from cyclekit import api, hookspecs, testing

HEAD = """# The contract with plugins

Everything that a plugin may use: the hooks it implements, the names in `cyclekit.api`, and `cyclekit.testing`.
What is not here is the engine's own business and may change with any version.
New here?
Begin with the [tutorial](../authors/tutorial.md).

This page is made by `docs/make_plugin_reference.py`; a test keeps it true.
"""
PYTHON_HEAD = """# Python

What the command line does, from Python.
`train`, `resume`, `evaluate`, `compare` and `report` are the verbs; `load` opens a run to translate items in memory.

```python
import cyclekit

result = cyclekit.train("image", "small", data="my_pictures", set={"train.steps": 400})
model = cyclekit.load(result.run)
zebra = model.translate("photo.jpg", direction="a2b")
model.save(zebra, "out/zebra.png")
cyclekit.evaluate(result.run)["a2b"]
```

Whatever the caller can put right is a `cyclekit.CyclekitError` with one clear message.

This page is made by `docs/make_plugin_reference.py`; a test keeps it true.
"""
SECTIONS = {
    "What a plugin offers": (
        "Modality", "Network", "Metric", "Estimate", "Baseline", "Options", "RunsCode", "trained_once",
        "kernel_distance", "kernel_estimate", "install_command",
    ),
    "Planning a training": ("Survey", "Candidate"),
    "Data": (
        "Codec", "ItemSequence", "Portable", "PortablePart", "TensorSpec", "Sample", "Media", "PreviewRow", "Translations",
    ),
    "Networks, and what they are made of": (
        "RESNET", "UNET_128", "UNET_256", "PATCHGAN", "PATCHGAN_SLOPES", "PIXEL", "STARGAN",
        "PAIR_ENCODER", "CODE_DISCRIMINATOR",
        "ResNetGenerator", "ResNetOptions", "UNetGenerator", "UNetOptions", "PatchDiscriminator",
        "PatchGAN", "PatchGANOptions", "SlopesPatchGAN", "SlopesOptions", "PixelDiscriminator",
        "PixelOptions", "conv", "conv_transpose", "norm_layers", "normalize_spectra", "initialize",
        "ToRange", "Norm", "Init",
    ),
    "Objectives": (
        "Objective", "Stream", "Direction", "Phase", "NetworkBuilder", "Networks", "Batch", "Step",
        "Losses", "Term", "TermGroup", "PartialLoss", "sum_terms",
    ),
    "What objectives are made of": (
        "ADVERSARIAL_LOSSES", "AdversarialLoss", "AdversarialName", "discriminator_loss",
        "generator_loss", "fooling", "gradient_penalty", "Patches", "zero_centred_penalty",
        "penalty_groups", "l1", "cross_entropy", "distance", "DistanceName", "DistanceOptions", "upcast", "fill_gaps", "call_batched", "tap_widths", "require_shape",
        "rounded",
        "HistoryBuffer", "augmented", "AugmentationOptions", "AdversarialOptions",
        "RegularizedAdversarialOptions", "RegularizationOptions",
    ),
    "CycleGAN, to be varied": ("CycleObjective", "CycleOptions", "Trip", "Way", "DiscriminatorRole"),
    "Other people's weights": (
        "Family", "Layout", "Slot", "Choices", "Delivery", "Published",
    ),
    "Errors": (
        "BadSample", "DataError", "PluginError", "RecipeError", "CheckpointError", "UsageError",
    ),
    "The rest": ("API_VERSION", "hookimpl"),
}  # fmt: skip
FROM_PYTHON = (
    "train", "TrainResult", "Hardware", "load", "TrainedModel", "resume", "evaluate", "compare",
    "report", "CyclekitError",
)  # fmt: skip
TESTING = ("check_modality", "run_checks", "Result")
WHOLE = (
    "Codec",
    "Objective",
    "CycleObjective",
    "NetworkBuilder",
    "Phase",
    "Direction",
    "HistoryBuffer",
    "Trip",
    "Step",
    "TrainedModel",
)  # classes whose methods are listed
QUALIFIED = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")


def reference() -> str:
    """The page as Markdown."""
    page = [HEAD, "\n## Hooks\n", "```python\nfrom cyclekit.api import hookimpl\n```\n"]
    for name in (name for name in vars(hookspecs) if name.startswith("cyclekit_")):
        page += entry(name, getattr(hookspecs, name))
    for heading, names in SECTIONS.items():
        page.append(f"\n## {heading}\n")
        for name in names:
            page += entry(name, getattr(api, name))
    page.append("\n## Testing\n\n```python\nfrom cyclekit.testing import check_modality\n```\n")
    for name in TESTING:
        page += entry(name, getattr(testing, name))
    return joined(page)


def python_reference() -> str:
    """The page about Python as Markdown."""
    page = [PYTHON_HEAD]
    for name in FROM_PYTHON:
        page += entry(name, getattr(cyclekit, name), "##")
    return joined(page)


def joined(page: list[str]) -> str:
    """Its parts as one text."""
    return "\n".join(page).replace("\n\n\n", "\n\n").rstrip() + "\n"


def entry(name: str, thing: Any, level: str = "###") -> list[str]:
    """Heading, signature and description of one name, and of its methods where they matter."""
    lines = [f"{level} `{name}`\n", f"```python\n{signature(name, thing)}\n```\n", described(thing)]
    if name in WHOLE:
        for method, of in vars(thing).items():
            if method.startswith("_") or not (inspect.isfunction(of) or isinstance(of, property)):
                continue
            told = of.fget if isinstance(of, property) else of
            mark = "property " if isinstance(of, property) else ""
            lines.append(f"{level}# {mark}`{name}.{method}`\n")
            lines.append(f"```python\n{signature(method, told)}\n```\n")
            lines.append(described(told))
    return lines


def in_order(told: str) -> str:
    """The text with sets shown alike in every process."""
    return re.sub(
        r"frozenset\(\{(.*?)\}\)",
        lambda found: f"frozenset({{{', '.join(sorted(found[1].split(', ')))}}})",
        told,
    )


def signature(name: str, thing: Any) -> str:
    """How it is called, or what it is, with plain names for types."""
    if inspect.isclass(thing):
        own = "__init__" in vars(thing) or not issubclass(thing, Exception)
        told = f"class {name}{inspect.signature(thing) if own else '(message)'}"
    elif inspect.isfunction(thing):
        told = f"def {name}{inspect.signature(thing)}"
    elif name == "hookimpl":
        told = "@hookimpl"
    else:
        told = f"{name} = {thing!r}" if name not in UNSHOWN else f"{name}: {UNSHOWN[name]}"
    # Sets have another order each time.
    told = re.sub(
        r"(?<=frozenset\({)[^}]*", lambda found: ", ".join(sorted(found[0].split(", "))), told
    )
    told = re.sub(r"<(?:class|function) '?([\w.]+)'?[^>]*>", r"\1", told)
    told = in_order(told)
    told = re.sub(r"ForwardRef\('([^']+)'[^)]*\)", r"\1", told)
    told = re.sub(r"'(?!s\b)", '"', told)  # of representations, not of a possessive case
    return QUALIFIED.sub("", told).replace("~", "").replace("NoneType", "None")


def described(thing: Any) -> str:
    """The docstring as Markdown."""
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return PLAIN.get(type(thing).__name__, "") + "\n"
    lines: list[str] = []
    for line in (inspect.getdoc(thing) or "").replace("``", "`").splitlines():
        item = re.match(r"    (\w+): (.*)", line)
        if re.fullmatch(r"(Args|Attributes|Returns|Raises|Yields):", line):
            lines.append(f"**{line[:-1]}**\n")
        elif item:
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif line.startswith("        ") and lines and lines[-1].startswith("- "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.strip())
    return "\n".join(lines) + "\n"


UNSHOWN = {"ADVERSARIAL_LOSSES": "dict[AdversarialName, AdversarialLoss]"}
PLAIN = {
    "dict": "The kinds by name: `lsgan`, `vanilla`, `hinge`, `wgan-gp`, `relativistic`.",
    "GenericAlias": "By name.",
    "Network": "Ready to be named in a `Modality`, over any number of axes.",
    "int": "The version of the contract. Write the number itself in `Modality(api=2)`, not this.",
    "HookimplMarker": "Marks a function that implements a hook.",
    "_LiteralGenericAlias": "The values that it may have.",
}


if __name__ == "__main__":
    folder = Path(__file__).parent / "reference"
    (folder / "contract.md").write_text(reference(), encoding="utf-8")
    (folder / "python.md").write_text(python_reference(), encoding="utf-8")
