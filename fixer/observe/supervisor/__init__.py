"""supervisord: its files, its log, its programs."""
