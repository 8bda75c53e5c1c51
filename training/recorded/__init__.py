"""Presets and variants of them, recorded: notes and phrases on disk."""
