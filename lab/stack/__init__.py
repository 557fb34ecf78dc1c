"""A lab that is up: its containers, files and records."""
