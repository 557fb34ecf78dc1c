"""What follows from a snapshot. Several causes ask it; it makes no finding and no step."""
