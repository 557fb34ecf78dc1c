"""What systemd does with a unit, as several causes ask it: what failed, what holds it back, what its files say."""
