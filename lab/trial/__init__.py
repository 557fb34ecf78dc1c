"""One trial: break, diagnose, repair, undo and judge."""
