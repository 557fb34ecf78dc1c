"""Each message that nginx can write about a request leads to a finding that names a cause and the side at fault; a message
that ends no request leads to none."""

from __future__ import annotations

import pytest

from tests.diagnose.message_table import answers_config, problem_of
from tests.nginx.message_lines import Row, lines_of, rows


@pytest.mark.parametrize("row", rows("run"), ids=lambda row: row.words)
def test_a_message_at_run_time_is_answered(row: Row) -> None:
    assert [problem for line in lines_of(row) if (problem := problem_of(line))] == []


@pytest.mark.parametrize("row", rows("config"), ids=lambda row: row.words)
def test_a_message_about_a_directive_is_answered(row: Row) -> None:
    assert answers_config(row)
