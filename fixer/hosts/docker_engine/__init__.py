"""The docker command line and the answers of its engine."""
