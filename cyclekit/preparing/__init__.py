"""Everything before the first step: what is trained, on what, for how long."""
