"""A class: one closed machine for each person of a roster, until a moment."""
