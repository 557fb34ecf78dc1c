"""Where journals lie: the state root of this machine, and one folder a target below it."""

from __future__ import annotations

import os

from fixer.model.regex import regex
from fixer.model.target import TargetRef

ROOT_STATE = "/var/lib/badgateway"
POLICY = "/etc/badgateway/policy.toml"      # what may be repaired without a person
_UNSAFE = regex(r"[^A-Za-z0-9._-]")


def state_root() -> str:
    """BADGATEWAY_STATE, else /var/lib/badgateway for root, else badgateway in XDG_STATE_HOME."""
    if override := os.environ.get("BADGATEWAY_STATE"):
        return os.path.abspath(override)
    if os.geteuid() == 0:
        return ROOT_STATE
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"{home}/badgateway"


def unseen_root_state() -> str | None:
    """Where root's runs lie, when this user looks at runs of their own: root may have repaired what they ask about."""
    if os.environ.get("BADGATEWAY_STATE") or state_root() == ROOT_STATE or not os.path.isdir(ROOT_STATE):
        return None
    return ROOT_STATE


def target_folder(root: str, ref: TargetRef) -> str:
    """The folder of one target below the state root; names that need escapes keep apart by them."""
    name = "local" if ref.kind == "local" else f"{ref.kind}-{ref.address}"
    safe = _UNSAFE.sub(lambda match: "".join(f"%{byte:02x}" for byte in match[0].encode()), name)
    return f"{root}/targets/{safe}"


def accepted_path(ref: TargetRef) -> str:
    """The list of what people accepted on a target; it lies on the machine where they said so."""
    return f"{target_folder(state_root(), ref)}/accepted.json"
