"""Boot entries, run folders and remembered services: what starts a backend that no service manager runs."""
