"""Versions: of the installed package, and of the contract with plugins."""

API_VERSION = 2
"""The plugin contract this host speaks; compared with ``Modality.api``."""


def package_version() -> str:
    """The installed package's."""
    from importlib.metadata import version  # takes its time, and few need it

    return version("cyclekit")


def torch_and_device() -> str:
    """torch's version, and the device that ``--accelerator auto`` takes here; imports torch."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        device = f"cuda, {', '.join(names)}"
    elif torch.backends.mps.is_available():
        device = "mps"
    else:
        device = f"cpu, {torch.get_num_threads()} threads"
    return f"torch {torch.__version__}, device: {device}"
