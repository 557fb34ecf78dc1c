"""Why a program ended: its last words, what they name, and what can be done about it."""
