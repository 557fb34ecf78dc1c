"""Tests of fixer/redaction/yaml_words.py."""

from __future__ import annotations

import pytest

from fixer.redaction.yaml_words import redact_yaml

SECRET = "hunter2hunter2"


@pytest.mark.parametrize("body", [
    f"    environment:\n      KEY: {SECRET}\n      PORT: 80\n    image: x\n", f"    environment:\n    - KEY={SECRET}\n    - PORT=80\n    image: x\n",
    f"    environment: {{KEY: {SECRET}, PORT: 80}}\n    image: x\n", f'    environment:\n      KEY: "{SECRET}"  # note\n      PORT: 80\n    image: x\n',
    f'    environment: ["KEY={SECRET}", "PORT=80"]\n    image: x\n',
])
def test_compose_files(body: str) -> None:
    said = redact_yaml(f"services:\n  a:\n{body}    command: run --port 80\n".encode())
    assert SECRET.encode() not in said and b"image: x" in said and b"80" in said and b"command: run --port 80" in said


def test_a_value_from_outside_stays_in_a_compose_file() -> None:
    data = b"services:\n  a:\n    environment:\n      KEY: ${KEY:?}\n      NOTHING:\n    x: 1\n"
    assert redact_yaml(data) == data
