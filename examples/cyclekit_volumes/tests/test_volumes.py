"""The plugin keeps the contract."""

from cyclekit.testing import check_modality


def test_the_contract():
    check_modality("volumes")
