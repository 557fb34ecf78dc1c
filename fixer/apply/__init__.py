"""Application of repairs: each step is journaled before it runs, and undone from the journal alone."""
