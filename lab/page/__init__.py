"""The page of `lab serve`: one lab, or a class, in a browser."""
