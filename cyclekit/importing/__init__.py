"""Other people's checkpoints, read without running anything, made into runs."""
