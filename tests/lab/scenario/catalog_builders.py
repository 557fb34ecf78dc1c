"""What the tests of lab/scenario/catalog.py and others are built of."""

from __future__ import annotations

from typing import Any


def variant(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data["variants"]["wrong-port"]
    return found
