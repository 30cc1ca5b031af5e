"""The one place that imports torchaudio, since it may be there and yet not load."""

from functools import cache
from types import ModuleType

from cyclekit.api import PluginError


@cache
def torchaudio() -> ModuleType:
    """The torchaudio package.

    Raises:
        PluginError: If it is missing or was built for another torch.
    """
    try:
        import torchaudio
        import torchaudio.functional
    except (ImportError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PluginError(
            f"The audio plugin needs a torchaudio that loads beside this torch ({reason}). Install "
            f"both together: pip install --force-reinstall torch torchaudio"
        ) from error
    module: ModuleType = torchaudio
    return module
