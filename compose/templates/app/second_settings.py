"""Settings of {{second_title}}."""

SIGNING_KEY = "{{second_secret}}"
TITLE = "{{second_title}}"
USERS = {"{{login}}": "{{password_hash}}"}
REPORT_MODE = "async"
REPORT_SECONDS = 0.05
