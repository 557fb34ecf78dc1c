"""Recorded shells: what a terminal showed, as asciinema v2."""
