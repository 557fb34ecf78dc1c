"""lab: a containerised lab that reproduces the ways nginx answers 502."""
