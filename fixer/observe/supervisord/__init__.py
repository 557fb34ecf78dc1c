"""supervisord: its configuration, its log, and its programs as services."""
