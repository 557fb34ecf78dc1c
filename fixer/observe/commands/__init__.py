"""Commands of services: the resolved command, its options and settings, its bindings and dependencies."""
