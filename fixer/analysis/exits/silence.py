"""A service that failed and left no word in the log that was read: where that may be, and how a person sees it."""

from __future__ import annotations

import posixpath
import shlex

from fixer.model.facts import Unknown
from fixer.model.snapshot import Service

_NOWHERE = frozenset({"null", "tty", "kmsg"})


def silent_end(service: Service) -> str:
    """Words that go on after "it failed"."""
    if isinstance(service.log, Unknown):
        return f"its log could not be read ({service.log.reason})"
    said = f"{_status(service)}and its log, as far as it was read, does not say why"
    namespace = _setting(service, "LogNamespace")
    if namespace:
        return f"{said}: its unit keeps it apart (LogNamespace={namespace}): journalctl --namespace={namespace} -u " \
               f"{service.name}"
    lock = _lock_of(service)
    if lock:
        return f"{said}: flock, which starts it, ends so without a word where somebody holds {lock} (fuser -v {lock})"
    sink = next((v for k in ("StandardError", "StandardOutput") if (v := _setting(service, k)) in _NOWHERE), "")
    lost = f"what it writes goes to {sink}; " if sink else ""
    return f"{said}: {lost}{_by_hand(service)}" if lost or _by_hand(service) else said


def _setting(service: Service, key: str) -> str:
    return next((s.value.strip() for s in reversed(service.unit_values) if s.key == key), "")


def _status(service: Service) -> str:
    unit = service.unit
    if unit is None or unit.result not in ("exit-code", "signal", "core-dump") or not unit.exec_main_status:
        return ""
    word = "status" if unit.result == "exit-code" else "signal"
    return f"it ended with {word} {unit.exec_main_status} "


def _by_hand(service: Service) -> str:
    unit = service.unit
    if unit is None or not unit.exec_start:
        return ""
    who = f"sudo -u {unit.user} " if unit.user else ""
    words = unit.exec_start if len(unit.exec_start) > 1 else tuple(unit.exec_start[0].split())
    return (f"start it by hand to see it (with its variables): cd {unit.working_directory or '/'} && {who}"
            f"{shlex.join(words)[:200]}")


def _lock_of(service: Service) -> str:
    """The file that `flock -n FILE COMMAND` wants for itself."""
    words = service.unit.exec_start if service.unit is not None else ()
    words = words if len(words) > 1 else tuple(words[0].split()) if words else ()
    if not words or posixpath.basename(words[0]) != "flock" or not {"-n", "--nonblock", "--nb"}.intersection(words):
        return ""
    return next((word for word in words[1:] if word.startswith("/")), "")
