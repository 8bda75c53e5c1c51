"""Pages to look at and listen to, each one file."""
