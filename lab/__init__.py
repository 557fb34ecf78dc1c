"""lab: a containerised reproduction lab for the ways nginx answers 502."""
