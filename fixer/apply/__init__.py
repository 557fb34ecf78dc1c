"""Repairs: steps applied one at a time, each journaled first, and taken back from the journal alone."""
