"""systemd units: their state from `systemctl show` and their settings from unit files."""
