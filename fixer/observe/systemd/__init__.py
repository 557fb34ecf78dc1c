"""Units of systemd as it prints them and as their files say."""
