"""The figures in the README are those of script/coverage, and every name in docs/field.toml leads somewhere."""

from __future__ import annotations

from tests.diagnose.coverage import README, field_problems, field_rows, figures, written


def test_every_name_in_the_rows_of_the_field_leads_somewhere() -> None:
    rows = field_rows()
    assert len({row.id for row in rows}) == len(rows) > 50 and list(field_problems()) == []


def test_the_readme_has_the_figures() -> None:
    text = README.read_text(encoding="utf-8")
    assert written(text, figures()) == text, "run script/coverage --write"
