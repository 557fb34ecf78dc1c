"""This machine: its processes, files, probes and state folder."""
