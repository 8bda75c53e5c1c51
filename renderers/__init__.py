"""Preset + performance -> sound: plugins in processes of their own, and a synth that needs no plugin."""
