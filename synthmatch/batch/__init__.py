"""Banks into folders of sound files."""
