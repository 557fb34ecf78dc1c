"""Which service belongs behind an address."""
