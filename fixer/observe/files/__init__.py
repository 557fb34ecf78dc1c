"""Files of a node that are read for their words: logs, variables, code, older states."""
