"""A song in, the closest presets per family out: matched, played on the song's notes, ranked again."""
