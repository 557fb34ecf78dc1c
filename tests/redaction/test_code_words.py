"""Tests of fixer/redaction/code_words.py."""

from __future__ import annotations

import ast

import pytest

from fixer.redaction.code_words import mask_code
from fixer.redaction.masks import Masks

S = "kwtrbqzpdnvhgm"


@pytest.mark.parametrize("text", [
    f"SECRET_KEY = '{S}'", f"K = (\n    '{S}'\n)", f"K = 'a' '{S}'", f"K = \\\n    '{S}'", f"x = 1  # {S}", f'"""of\n{S}"""', f"x = f'Bearer {S}'", f"d = {{'a': '{S}'}}", f"x = getenv('A', '{S}')",
    f"login('me', '{S}')", f"raw_env = ['A={S}', 'PORT=80']",
])
def test_a_string_that_no_cause_reads(text: str) -> None:
    source = f"import os\n{text}\nbind = '127.0.0.1:8000'\n"
    said = mask_code(source, Masks(), slashes=False)
    assert S not in said and "import os\n" in said and said.endswith("\nbind = '127.0.0.1:8000'\n") and said.count("\n") == source.count("\n")
    ast.parse(said)


@pytest.mark.parametrize("text", ["uvicorn.run('shop.main:app', host='0.0.0.0', port=8000)", "x = os.environ['DATABASE_URL']", "x = os.getenv('PORT', '8000')", "open('/srv/shop/settings.json')", "if __name__ == '__main__': pass"])
def test_what_causes_read_stays(text: str) -> None:
    assert mask_code(text, Masks(), slashes=False) == text


def test_javascript() -> None:
    said = mask_code(f"// {S}\nmodule.exports = {{env: {{A: '{S}', PORT: 80, B: `{S}`}}, script: './app.js'}} /* {S} */\n", Masks(), slashes=True)
    assert S not in said and "PORT: 80" in said and "script: './app.js'" in said


@pytest.mark.parametrize(("text", "shown"), [
    ('socket.create_connection(("store", 5258), 5).close()', True), ("s.connect(('store', 80))", True), ("getaddrinfo('store', 80)", True),
    ('HTTPConnection("store", 80)', True), ('connect("store")', False), ('connect("store", "shop")', False), ('login("store", 80)', False),
    ('connect(("other", 5258))', False), ('connect("me", "store", 5258)', False),
])
def test_a_host_in_a_call_is_shown_if_a_container_is_asked_by_that_name(text: str, shown: bool) -> None:
    said = mask_code(text, Masks(hosts=frozenset({"store"})), slashes=False)
    assert (said == text) is shown and "store" not in mask_code(text, Masks(), slashes=False)
