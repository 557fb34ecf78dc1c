"""Parsers of file formats and command output: text in, values out. Pure."""
