"""nginx on a node: its masters, the sites they serve, what lies beside their configuration."""
