"""Adapters to others' tools that show a training, each imported where a recipe names it."""
