"""Views: one node's answers, each parsed once."""
