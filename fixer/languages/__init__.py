"""Other languages than English: which one is asked for, and catalogues of what people read in it."""
