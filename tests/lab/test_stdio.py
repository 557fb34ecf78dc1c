"""The lab's output that ends before the work does: a reader that left, a full disk, streams that were closed."""

from __future__ import annotations

import pytest

from tests.stdio_builders import FULL, with_output


@pytest.mark.parametrize("output", ["reader left", "reader of both left", "2>&-", ">&- 2>&- <&-", f"2>{FULL}"])
@pytest.mark.parametrize(("words", "code"), [("lab list", 0), ("lab show nothing-known", 2)])
def test_who_does_not_listen_changes_no_exit_code(words: str, code: int, output: str) -> None:
    told_code, told = with_output(words, output)
    assert told_code == code
    assert "Traceback" not in told


def test_a_product_that_is_lost_is_said_in_one_line() -> None:
    assert with_output("lab list", f">{FULL}") == (1, "lab: the output could not be written: No space left on device\n")
