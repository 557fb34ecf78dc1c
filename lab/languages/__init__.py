"""Catalogues of what the lab says, in other languages than English."""
