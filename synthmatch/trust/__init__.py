"""Whether the sounds of a bank can be trusted: which failed, which are the same, which are never the same twice."""
