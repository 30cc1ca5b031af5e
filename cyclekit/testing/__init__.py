"""The contract between engine and plugins as checks that anybody can run.

In a plugin's own tests::

    from cyclekit.testing import check_modality

    def test_the_contract():
        check_modality("mine")
"""

from cyclekit.testing.running import Result, check_modality, run_checks

__all__ = ["Result", "check_modality", "run_checks"]
