"""Files of a node that are read for their content: logs, environment files, source code, backup copies."""
