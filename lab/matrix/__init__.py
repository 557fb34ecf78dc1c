"""The matrix: which cases there are, how they are run side by side, and what is written of them."""
