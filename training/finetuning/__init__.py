"""From a library to an encoder that knows it."""
