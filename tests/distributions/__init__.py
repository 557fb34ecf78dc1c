"""Captures *constructed* from what distributions publish of their packages, of machines that no container here can be.

Nothing of this ran on such a machine: it proves no support. It shows that fixer reads these layouts as they are published.
"""
