"""Recorded sound into the mixtures of a step."""
