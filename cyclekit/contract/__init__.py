"""What a plugin fills in and the engine relies on; objectives are in ``cyclekit.engine``."""
