"""fixer: finds why nginx answers 502 in front of a Python backend, repairs it with proof, undoes it to the byte."""

__version__ = "0.1.0"
