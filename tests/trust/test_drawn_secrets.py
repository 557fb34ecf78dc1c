"""None of 300 secrets, drawn from name, place and encoding, is in a masked file: seeds that no rule was written for."""

from __future__ import annotations

import json

import pytest

from fixer.redaction.all_files import (
    redact_cmdline,
    redact_file,
    redact_inspect,
    redact_logs,
    redact_program,
    redact_unit,
)
from fixer.redaction.masks import Masks
from tests.trust.drawn_secrets import Secret, draw

SEEDS = (11, 12, 13)


AROUND = {
    "nginx": ("http {\nserver {\nlisten 80;\n", "\n}\n}\n"), "top": ("", "\nserver { listen 80; }\n"), "unit": ("[Unit]\n", "\n[Service]\nUser=x\n"),
    "env": ("PORT=80\n", "\nWORKERS=2\n"), "yaml": ("services:\n  a:\n    image: x\n", "\n    ports: ['80:80']\n"), "code": ("import os\n", "\nworkers = 2\n"),
    "log": ("Started.\n", "\nexiting\n"), "nginx-log": ("Started.\n", "\nexiting\n"), "program": ("[program:x]\n", "\nuser=x\n"),
}
PATHS = {"nginx": "/etc/nginx/nginx.conf", "top": "/etc/nginx/conf.d/a.conf", "env": "/etc/default/app", "yaml": "/srv/compose.yaml", "code": "/srv/a.py", "script": "/srv/run.sh"}


def file_of(kind: str, text: str) -> str:
    """Return a drawn text in a file of its kind."""
    before, after = AROUND.get(kind, ("", ""))
    return before + text + after


def masked(kind: str, text: str, masks: Masks) -> bytes:
    """Return a drawn text in a file of its kind, masked."""
    data = file_of(kind, text).encode()
    if kind in PATHS:
        return redact_file(PATHS[kind], data, masks)
    by_kind = {"unit": redact_unit, "log": redact_logs, "nginx-log": redact_logs, "program": redact_program, "argv": redact_cmdline}
    return by_kind[kind](data, masks) if kind in by_kind else redact_inspect(inspect_of(text), masks)


def inspect_of(text: str) -> bytes:
    """Return the JSON of a container that holds a drawn text in its variables, command or labels."""
    first, _, second = text.partition("\0")
    config: dict[str, object] = {"Env": [text]} if not second and "=" in first and not first.startswith("--") else {"Entrypoint": [first], "Cmd": [second]}
    if first.startswith("app."):
        config = {"Labels": {first: second}}
    if first.startswith("--"):
        config = {"Cmd": ["app", *text.split("\0")]}
    return json.dumps([{"Id": "a", "Config": config, "Path": first if first == "mysql" else "app", "Args": [second] if first == "mysql" else []}], ensure_ascii=False).encode()


def leaks(seed: int) -> list[Secret]:
    """Return the secrets of a seed that stand in what is written."""
    found = []
    masks = Masks()
    for secret, kind, text in draw(seed):
        said = masked(kind, text, masks)
        if any(form.encode() in said for form in secret.forms):
            found.append(secret)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_no_drawn_secret_stays(seed: int) -> None:
    assert [f"{secret.place}, {secret.name}, {secret.kind}: {secret.forms[0]}" for secret in leaks(seed)] == []
