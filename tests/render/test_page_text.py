"""Tests of fixer/render/page_text.py."""

from __future__ import annotations

import pytest

from fixer.app.cause_catalogue import all_causes, cause_page, explain_page
from fixer.render.page_text import page_text
from fixer.render.terminal_text import Style, count_columns

PROSE = "A unit with a limit, a container with one, or the machine had no memory left when the program asked for more, and the"
PAGE = f"""crash-oom · backend crashed

By hand
  dmesg -T | grep -i oom                                  # which process, which group, and when was that?
  systemctl edit UNIT

What it is
  {PROSE}
  kernel ended it.
  A second paragraph.

Variants: {', '.join(f'oom-killed-{n}' for n in range(9))}
"""


def test_a_page_that_fits_stays_as_it_is() -> None:
    assert page_text(PAGE, Style(width=140)) == PAGE


def test_prose_is_filled_again_and_a_command_stays_whole() -> None:
    assert page_text(PAGE, Style(width=60)) == """crash-oom · backend crashed

By hand
  # which process, which group, and when was that?
  dmesg -T | grep -i oom
  systemctl edit UNIT

What it is
  A unit with a limit, a container with one, or the machine
  had no memory left when the program asked for more, and
  the kernel ended it.
  A second paragraph.

Variants: oom-killed-0, oom-killed-1, oom-killed-2,
oom-killed-3, oom-killed-4, oom-killed-5, oom-killed-6,
oom-killed-7, oom-killed-8
"""


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_page_of_the_catalogue_loses_or_breaks_a_word(width: int) -> None:
    for cause in all_causes():
        page = cause_page(cause.id)
        fitted = page_text(page, Style(width=width))
        assert sorted(fitted.split()) == sorted(page.split())
        by_hand = page.partition("\nBy hand\n")[2].partition("\n\n")[0].splitlines()
        commands = {line.partition(" # ")[0].strip() for line in by_hand}
        for line in fitted.splitlines():
            whole = line.strip() in commands or line.strip().startswith("#") or " " not in line.strip()
            assert count_columns(line) <= width or whole, line


def test_a_marked_row_keeps_its_column_and_a_marked_paragraph_its_indent() -> None:
    fitted = page_text(cause_page("stop-timeout-sigkill"), Style(width=60))
    assert """
> stop-timeout-sigkill: something restarts the service again
  and again (a timer, a deployment), and it is killed before
""" in fitted
    assert """
> stop-timeout-sigkill            it is killed while it
                                  stops, before its requests
                                  are done
  container-cannot-start          Docker cannot start the
""" in fitted
    assert max(map(count_columns, fitted.partition("Variants")[2].splitlines())) <= 60


ROWS = f"""connect() failed

  Causes, most likely first
    backend-down                  the backend does not run
    crash-port-in-use             {PROSE.partition(' when')[0]}
    crash-code-error              the backend ends at once: an error in its code or in its command

Find the cause
  sudo fixer diagnose                    # nginx on this host
"""


def test_a_row_keeps_its_column() -> None:
    assert page_text(ROWS, Style(width=60)) == """connect() failed

  Causes, most likely first
    backend-down                  the backend does not run
    crash-port-in-use             A unit with a limit, a
                                  container with one, or the
                                  machine had no memory left
    crash-code-error              the backend ends at once:
                                  an error in its code or in
                                  its command

Find the cause
  # nginx on this host
  sudo fixer diagnose
"""


def test_the_text_of_a_row_is_below_the_name_if_its_column_is_narrow() -> None:
    fitted = page_text(ROWS, Style(width=40))
    assert "    crash-code-error\n      the backend ends at once: an error\n      in its code or in its command\n" in fitted


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("word", ["502", "504", "111", "upstream timed out", "bad gateway"])
def test_a_page_of_a_line_loses_and_breaks_no_word(word: str, width: int) -> None:
    page = explain_page(word)
    fitted = page_text(page, Style(width=width))
    assert sorted(fitted.split()) == sorted(page.split())
    commands = {line.partition("  # ")[0].strip() for line in page.splitlines() if " # " in line}
    assert [line for line in fitted.splitlines() if count_columns(line) > width and line.strip() not in commands
            and not line.strip().startswith("#")] == []
