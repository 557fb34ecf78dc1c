"""Containers from the engine's words, and the compose files that define them."""
