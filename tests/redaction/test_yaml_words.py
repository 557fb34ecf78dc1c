"""Tests of fixer/redaction/yaml_words.py."""

from __future__ import annotations

import shlex

import pytest

from fixer.formats.yaml_spans import Map, Scalar, parse_yaml
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


@pytest.mark.parametrize("command", [
    f"run --flavour {SECRET} --port 80", f'"run --flavour {SECRET} --port 80"', f"'run --flavour {SECRET} --port 80'",
    f"\"run --flavour {SECRET} --say 'a b' --port 80\"", f"run --flavour {SECRET} --say 'a b' --say \"c d\" --port 80",
])
def test_a_masked_command_keeps_its_positions(command: str) -> None:
    """What stands in a file byte for byte can be edited; with an escape a bundle offered another repair than the host."""
    scalars = [_command(data) for data in (f"command: {command}\n".encode(), redact_yaml(f"command: {command}\n".encode()))]
    assert [scalar.exact for scalar in scalars] == [True, True]
    assert SECRET not in scalars[1].text and len(shlex.split(scalars[0].text)) == len(shlex.split(scalars[1].text))


def _command(data: bytes) -> Scalar:
    root = parse_yaml(data)
    found = root.get("command") if isinstance(root, Map) else None
    assert isinstance(found, Scalar)
    return found
