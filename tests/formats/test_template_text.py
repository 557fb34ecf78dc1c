"""Tests of fixer/formats/template_text.py: every byte of a generated file is explained, or none."""

from __future__ import annotations

import pytest

from fixer.formats.template_text import TemplateRun, align_template, can_be_literal

VALUES = {"HOST": b"api", "PORT": b"8000", "EMPTY": b"", "HOST_PORT": b"no"}


@pytest.mark.parametrize("reference", ["${HOST}", "$HOST", "{{HOST}}", "{{ HOST }}", "@HOST@", "__HOST__", "%HOST%"])
def test_the_usual_forms_of_a_variable(reference: str) -> None:
    template = f"pass {reference};".encode()
    assert align_template(template, b"pass api;", VALUES) == (
        TemplateRun(0, 5, 0), TemplateRun(5, 8, 5, "HOST"), TemplateRun(8, 9, 5 + len(reference)))


def test_the_value_of_each_variable_has_its_own_run() -> None:
    runs = align_template(b"${HOST}:${PORT}", b"api:8000", VALUES)
    assert runs == (TemplateRun(0, 3, 0, "HOST"), TemplateRun(3, 4, 7), TemplateRun(4, 8, 8, "PORT"))


def test_what_nginx_itself_replaces_is_copied() -> None:
    """envsubst may be limited to some names, and the template uses nginx's own variables."""
    text = b"set $PORT ${HOST}; $host $uri"
    assert align_template(text, b"set $PORT api; $host $uri", VALUES) == (
        TemplateRun(0, 10, 0), TemplateRun(10, 13, 10, "HOST"), TemplateRun(13, 25, 17))
    assert align_template(text, text, VALUES) == (TemplateRun(0, len(text), 0),)


@pytest.mark.parametrize(("template", "made"), [
    (b"a ${HOST}", b"a app"),           # another value
    (b"a ${HOST} b", b"a api c"),       # another text
    (b"a ${HOST}", b"a api;"),          # more at the end
    (b"a ${HOST}", b"a"),
    (b"a $host", b"a "),                # a plain envsubst empties nginx's own variables
    (b"$HOST $HOST", b"api $HOST"),     # the same reference is replaced once and copied once
    (b"", b"x"),
])
def test_a_file_with_one_unexplained_byte_is_not_made_of_it(template: bytes, made: bytes) -> None:
    assert align_template(template, made, VALUES) is None


def test_a_value_that_the_start_script_makes() -> None:
    """Whatever stands there is its value, if the text after it stands in one place only."""
    assert align_template(b"a ${HOST} {\n${OWN}\n}", b"a api {\nlocation / { }\n}", VALUES) == (
        TemplateRun(0, 2, 0), TemplateRun(2, 5, 2, "HOST"), TemplateRun(5, 8, 9), TemplateRun(8, 22, 12, "OWN"),
        TemplateRun(22, 24, 18))
    assert align_template(b"${OWN};${HOST}", b"one;two;api", VALUES) is None


def test_an_empty_value_and_the_longest_name() -> None:
    assert align_template(b"a${EMPTY}b$HOST_PORT", b"abno", VALUES) == (
        TemplateRun(0, 1, 0), TemplateRun(1, 1, 1, "EMPTY"), TemplateRun(1, 2, 9), TemplateRun(2, 4, 10, "HOST_PORT"))


@pytest.mark.parametrize(("text", "plain"), [
    (b"api:8001", True), (b"$host", False), (b"a@b", False), (b"100%", False), (b"{{x", False), (b"a__b", False),
    (b"location / { }", True),
])
def test_text_that_a_script_could_take_for_a_variable(text: bytes, plain: bool) -> None:
    assert can_be_literal(text) is plain
