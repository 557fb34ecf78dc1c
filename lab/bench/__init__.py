"""Benchmark of fixers: the same scenarios and the same oracle for any fixer, what it gets right and what it harms."""
