"""Observing: the rounds of questions that make a capture, and the pure parsers that make a snapshot of it."""
