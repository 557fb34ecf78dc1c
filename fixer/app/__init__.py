"""Use cases: diagnose, repair, verify, undo, history, collect, explain, causes. Clock and IO enter here."""
