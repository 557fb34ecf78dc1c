"""The collection of this checkout under the name by which Ansible imports it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

COLLECTION = Path(__file__).resolve().parents[2] / "integrations" / "ansible"


def _register() -> None:
    """Ansible makes these packages itself, from the folders of installed collections."""
    paths: dict[str, list[str]] = {
        "ansible_collections": [], "ansible_collections.badgateway": [], "ansible_collections.badgateway.fixer": [str(COLLECTION)]}
    for name, path in paths.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        module.__path__ = path


_register()
