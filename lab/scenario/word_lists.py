"""Names that seeds draw from: those of real deployments, none of which reveals a state."""

from __future__ import annotations

WORDS = (
    "shop", "portal", "ledger", "orders", "desk", "billing", "stock", "crew", "atlas", "harbor", "cedar", "maple",
    "river", "meadow", "quartz", "lumen", "orchid", "falcon", "beacon", "summit", "copper", "willow", "granite",
    "saffron",
)
UNIT_ENDINGS = ("", "", "-api", "-app", "-web", "-backend")
SERVICE_NAMES = ("backend", "api", "app", "application", "office")
WEB_NAMES = ("web", "nginx", "edge", "front", "proxy")
USERS = ("app", "deploy", "svc", "www", "office", "runner", "uvicorn", "webapps")
HOMES = ("/opt", "/srv", "/var/www", "/home/deploy", "/usr/local/share")
DOMAINS = ("example.com", "example.org", "example.net", "corp.example", "intern.example")
TITLES = ("Back office", "Administration", "Orders", "Service desk", "Warehouse", "Staff area")
COMPANIES = ("Northwind", "Contoso", "Fabrikam", "Tailspin", "Litware", "Adatum")
FIRST_NAMES = ("admin", "maria", "ines", "jonas", "akira", "noor", "lee", "sam")
SECRETS = (
    "SECRET_KEY", "SESSION_SECRET", "SIGNING_KEY", "APP_SECRET", "COOKIE_KEY", "PORTAL_SECRET_KEY", "JWT_SECRET",
    "OFFICE_TOKEN_KEY",
)
JOBS = ("digest", "mailing", "summary", "export", "reindex")
NEIGHBOURS = ("spool", "relay", "courier", "collector", "notifier", "printd")
