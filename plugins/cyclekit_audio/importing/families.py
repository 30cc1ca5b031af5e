"""All families of other people's networks for sound, in one list."""

from cyclekit.api import Family
from cyclekit_audio.importing.vocoders import VOCODERS
from cyclekit_audio.importing.voices import VOICES

FAMILIES: tuple[Family, ...] = (*VOCODERS, *VOICES)
