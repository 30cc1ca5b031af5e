"""How torch's threads wait for one another: asleep, since a computer has other things to do."""

import os
import sys

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""What the user may have set: OpenMP's own word, GNU's, and Intel's and LLVM's."""


def wait_passively() -> None:
    """Have the threads of this process and its children sleep where they wait.

    Threads that spin at a barrier take the processor from the one that they wait for: with
    anything else running, a step took five to nine times as long. OpenMP reads its settings when
    torch is loaded, so nothing is changed after that, nor where the user has chosen.
    """
    if "torch" in sys.modules or any(choice in os.environ for choice in CHOICES):
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["KMP_BLOCKTIME"] = "0"
