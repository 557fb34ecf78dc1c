"""Random hosts: hosts composed of parts that nobody arranged, with physical truth. Knows no scenario and no fixer."""
