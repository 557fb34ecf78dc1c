"""The Docker command line and the answers of its engine."""
