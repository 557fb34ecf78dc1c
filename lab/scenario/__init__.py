"""Scenario files, and the deployments that are drawn from them."""
