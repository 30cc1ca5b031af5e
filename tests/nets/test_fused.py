"""Instance norm, activation and reflection as one operation, as far as that goes without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="needs triton, which comes with torch on Linux")
INTERPRETED = Path(__file__).with_name("interpreted_fused.py")


def test_interpreted_kernels_compute_what_the_plain_layers_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(INTERPRETED)],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu() -> None:
    """Which needs none."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from cyclekit.nets import fused_kernels as kernels

    fixed = {"rows": 32, "span": 64, "places": 3}
    maps = ("x", "out", "gradient", "gathered")
    numbers = ("found", "joined", "moments", "sums")
    for name in ("_moments", "_join_moments", "_apply", "_gather", "_differentiate"):
        kernel = getattr(kernels, name)
        types = dict.fromkeys(kernel.arg_names, "i32") | {"eps": "fp32", "slope": "fp32"}
        types |= dict.fromkeys(maps, "*bf16") | dict.fromkeys(numbers, "*fp32")
        types |= dict.fromkeys(fixed, "constexpr")
        signature = {argument: types[argument] for argument in kernel.arg_names}
        constants = {(kernel.arg_names.index(n),): fixed[n] for n in fixed if n in signature}
        made = compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 80, 32))
        assert ".visible .entry" in made.asm["ptx"]
