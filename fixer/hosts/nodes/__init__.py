"""Nodes: how a machine, a container and the Docker engine answer queries."""
