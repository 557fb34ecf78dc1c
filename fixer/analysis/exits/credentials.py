"""Credentials that systemd hands to a unit: their folder is there while it runs and no longer."""

from __future__ import annotations

from fixer.analysis.exits.failed_run import Crash
from fixer.lazy.regex import regex
from fixer.model.snapshot import Service, UnitValue

_FOLDER = regex(r"/run/credentials/(?P<unit>[^/]+)/(?P<name>[^/]+)")
_GIVES = frozenset({"LoadCredential", "LoadCredentialEncrypted", "ImportCredential"})


def is_credential(path: str) -> bool:
    """The path lies where systemd puts a unit's credentials at each start."""
    return _FOLDER.fullmatch(path) is not None


def credential_words(crash: Crash, path: str) -> tuple[str, str]:
    """What is said of one that the program did not find, and what a person does about it."""
    service, match = crash.service, _FOLDER.fullmatch(path)
    name = match["name"] if match is not None else path
    setting = _giving(service, name)
    if setting is not None:
        said = f"the credential {name} was not handed to it ({setting.key} names {setting.value.strip()})"
        return said, f"see to it that what {setting.file}:{setting.line} names is there for systemd to read"
    given = ", ".join(s.value.strip().partition(":")[0] for s in service.unit_values if s.key in _GIVES)
    said = f"the credential {name} was not handed to it{f', which is given {given}' if given else ''}"
    return said, "have its unit give it one of that name (LoadCredential, with its file)"


def _giving(service: Service, name: str) -> UnitValue | None:
    return next((s for s in reversed(service.unit_values)
                 if s.key in _GIVES and s.value.strip().partition(":")[0] == name), None)
