"""What a command is told: its words, options, wrappers, and the addresses in them."""
