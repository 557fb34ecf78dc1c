"""Rounds of queries, commands and files over a POSIX shell."""
