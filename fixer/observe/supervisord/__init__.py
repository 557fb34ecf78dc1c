"""supervisord's configuration, log and programs."""
