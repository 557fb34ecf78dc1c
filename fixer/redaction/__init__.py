"""Redaction: secrets masked by name, shape and file kind. Pure."""
