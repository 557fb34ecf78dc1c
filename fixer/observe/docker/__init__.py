"""Containers as the Docker engine reports them, and the compose files that define them."""
