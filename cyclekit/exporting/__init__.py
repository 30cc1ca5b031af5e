"""Trained networks for others to run: written as files that are proven equal to translate."""
