"""Packet filters: what a rule does with nginx's packets, and the repairs of rules."""
