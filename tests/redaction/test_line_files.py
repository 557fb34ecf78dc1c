"""Tests of fixer/redaction/line_files.py."""

from __future__ import annotations

import pytest

from fixer.formats.unit_file import unit_lines
from fixer.redaction.line_files import mask_env, mask_named_values, mask_pairs, mask_script, mask_unit
from fixer.redaction.masks import Masks

S = "kwtrbqzpdnvhgm"


@pytest.mark.parametrize("text", [
    f"ExecStart=/usr/bin/app --password \\\n  {S} --x", f"ExecStart=/usr/bin/app --password {S}", f"ExecStart=/x --db.password={S}", f"Environment=A={S}", f"Environment=A=1 \\\n  B={S}",
    f'Environment="A=a {S}"', f'Environment=JSON={{"password":"{S}"}}', f"# {S}", f"Description=of {S}", f"SetCredential=db:{S}", f"X-Any={S}", f"ExecStart=/bin/sh -c 'A={S} exec x'", f"Nonsense {S}",
    f"ExecStart={{ path=/x ; argv[]=/x --token {S} ; ignore_errors=no }}",
])
def test_a_value_of_a_unit_that_no_cause_reads(text: str) -> None:
    said = mask_unit(f"[Service]\n{text}\nUser=x\n", Masks())
    assert S not in said and said.startswith("[Service]\n") and said.endswith("\nUser=x\n") and said.count("\n") == text.count("\n") + 3


def test_a_masked_unit_is_the_same_unit() -> None:
    """The backslash was masked in place of the secret, and the next line was no part of the command any more."""
    text = f"[Service]\nExecStart=/usr/bin/uvicorn app:app --password \\\n  {S} --port 8000\nEnvironment=A={S} PORT=80\nUser=x\n"
    before, after = (unit_lines("/a.service", said.encode()) for said in (text, mask_unit(text, Masks())))
    assert [(line.key, line.value.replace(S, "[masked 1]")) for line in before] == [(line.key, line.value.replace('"', "")) for line in after]


@pytest.mark.parametrize("text", [
    f"A={S}", f"export A={S}", f"declare -x A={S}", f"readonly A={S}", f"密碼={S}", f"\ufeffA={S}", f"# A={S}", f"A='a\n{S}'", f"A=a\\\n{S}", f"A=b # {S}", S, f"a.b={S}", f"U=postgres://u:{S}@h/x",
])
def test_a_value_of_an_environment_file(text: str) -> None:
    said = mask_env(f"PORT=80\n{text}\nHOST=0.0.0.0\n", Masks())
    assert S not in said and said.startswith("PORT=80\n") and said.endswith("\nHOST=0.0.0.0\n") and said.count("\n") == text.count("\n") + 3


def test_where_a_database_is_stays() -> None:
    assert mask_env(f"DATABASE_URL=postgres://u:{S}@db:5432/shop", Masks()) == "DATABASE_URL=postgres://[masked 1]@db:5432/[masked 2]"


@pytest.mark.parametrize("text", [f"export A='{S}'", f"A={S} exec app --port 80", f"exec app --token {S} --port 80", f"true # {S}", f"A='a\n{S}'", f"app --pass \\\n  {S}"])
def test_a_value_of_a_script(text: str) -> None:
    said = mask_script(f"#!/bin/sh\n{text}\nexec uvicorn app:app --port 8000\n", Masks())
    assert S not in said and said.startswith("#!/bin/sh\n") and said.endswith("\nexec uvicorn app:app --port 8000\n")


def test_pairs_of_both_managers() -> None:
    assert mask_pairs(f'A={S} "B=x {S}" PORT=80', Masks()) == '"A=[masked 1]" "B=[masked 2]" PORT=80'
    assert mask_pairs(f"A={S},B='x, {S}',PORT=\"80\"", Masks(), listed=True) == 'A="[masked 1]",B="[masked 2]",PORT="80"'


@pytest.mark.parametrize("text", [f"pass: {S}", f"pass = '{S}'", f"; {S}", f"# {S}", S, f"  - {S}", f"dsn: postgres://u:{S}@h/x"])
def test_a_value_of_an_applications_own_settings(text: str) -> None:
    """What such a file holds is not known: its names stay, and of its values a port or an address."""
    said = mask_named_values(f"[server]\nhttp_port = 8000\n{text}\nlisten: 127.0.0.1:8001\n", Masks())
    assert S not in said and said.startswith("[server]\nhttp_port = 8000\n") and said.endswith("\nlisten: 127.0.0.1:8001\n")
