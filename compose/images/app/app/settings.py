"""Settings of this deployment; each deployment brings its own copy of this file."""

import os

SIGNING_KEY = os.environ["SIGNING_KEY"]
TITLE = "Back office"
USERS = {"admin": "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918"}
REPORT_MODE = os.environ.get("REPORT_MODE", "async")
REPORT_SECONDS = float(os.environ.get("REPORT_SECONDS", "0.05"))
