"""What is minimised, and the loops that do it."""
