"""Plugins: found, imported, checked and asked for what they bring."""
