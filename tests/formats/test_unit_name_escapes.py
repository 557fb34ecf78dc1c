"""Instances of template units by the text that they stand for."""

from __future__ import annotations

import pytest

from fixer.formats.systemctl_show import escape_instance, unescape_instance


@pytest.mark.parametrize(("text", "instance"), [
    ("8000", "8000"), ("back-office", r"back\x2doffice"), ("a/b", "a-b"), (".env", r"\x2eenv"), ("a.b:c_d", "a.b:c_d"),
    ("\u00e9t\u00e9", r"\xc3\xa9t\xc3\xa9"), ("a b", r"a\x20b"),
])
def test_as_systemd_escape_has_it(text: str, instance: str) -> None:
    assert (escape_instance(text), unescape_instance(instance)) == (instance, text)
