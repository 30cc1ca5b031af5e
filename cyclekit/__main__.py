"""``python -m cyclekit``: what torchrun starts."""

from cyclekit.cli import main

if __name__ == "__main__":
    main()
