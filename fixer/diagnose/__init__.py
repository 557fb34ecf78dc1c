"""The diagnosis of a snapshot: findings, health of routes, notes. Pure."""
