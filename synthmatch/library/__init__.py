"""A library: the presets of someone's synths, rendered, embedded and indexed, in one folder."""
