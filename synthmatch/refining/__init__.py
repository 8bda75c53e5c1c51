"""Presets brought closer to a part."""
