"""Versions: of the installed package, and of the contract with plugins."""

API_VERSION = 2
"""The plugin contract this host speaks; compared with ``Modality.api``."""


def package_version() -> str:
    """The installed package's."""
    from importlib.metadata import version  # takes its time, and few need it

    return version("cyclekit")
