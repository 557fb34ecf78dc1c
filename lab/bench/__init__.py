"""The same scenarios and the same oracle for any fixer: what each one gets right, and what harm it does."""
