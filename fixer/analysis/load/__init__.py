"""Load on a service, and the protocol that its server speaks."""
