"""Runs: their folders, checkpoints and records; starting, resuming, opening and judging them."""
