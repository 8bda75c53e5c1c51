"""The page: a server on this machine that hears a song and plays the presets which come closest."""
