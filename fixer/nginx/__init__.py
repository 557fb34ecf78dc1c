"""nginx as its files and its error log tell it: bytes in, typed facts or edited bytes out. Pure."""
