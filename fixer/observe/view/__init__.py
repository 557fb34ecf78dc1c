"""One node's answers, parsed once."""
