"""nginx's configuration files and error log: bytes in, typed facts or edited bytes out. Pure."""
