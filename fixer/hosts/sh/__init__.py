"""One round of queries answered over a POSIX shell."""
