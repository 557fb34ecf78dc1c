"""fixer beside other tools on the same broken hosts (`python -m benchmarks.peers`)."""
