"""Settings of {{title}}."""

import os

{{#secret_check=index}}
SIGNING_KEY = os.environ["{{secret_name}}"]
{{/secret_check}}
{{#secret_check=message}}
SIGNING_KEY = os.environ.get("{{secret_name}}", "")
if not SIGNING_KEY:
    raise RuntimeError("{{secret_name}} is not set")
{{/secret_check}}
TITLE = "{{title}}"
USERS = {"{{login}}": "{{password_hash}}"}
REPORT_MODE = os.environ.get("REPORT_MODE", "{{report_mode}}")
REPORT_SECONDS = float(os.environ.get("REPORT_SECONDS", "{{report_seconds}}"))
