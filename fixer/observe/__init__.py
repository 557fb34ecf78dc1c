"""Observing: the rounds of queries that make a capture, and the pure parsers that make a snapshot from it."""
