"""Tests of fixer/observe/commands/resolved_command.py."""

from __future__ import annotations

import pytest

from fixer.formats.shell_words import literal_word
from fixer.model.facts import Evidence
from fixer.observe.commands.resolved_command import CommandTrace, ServiceCommand, trace_command, ulimits_of
from tests.observe.capture_builders import file, view


@pytest.mark.parametrize(("line", "found"), [
    ("ulimit -v 40000", ("ulimit -v", "40000")), ("ulimit -c 0; ulimit -Sv 50", ("ulimit -v", "50")),
    ("ulimit -S -d 70 || true", ("ulimit -d", "70")), ("ulimit -v unlimited", None), ("# ulimit -v 4", None),
    ("ulimit -n 4096", None), ("ulimit -v $LIMIT", None),
])
def test_a_limit_of_a_script(line: str, found: tuple[str, str] | None) -> None:
    text = f"#!/bin/sh\n{line}\nexec uvicorn a:b\n"
    told = ServiceCommand((), {}, Evidence("unit", "u", ""), "shell", script="/srv/run")
    said = ulimits_of(told, view(file("/srv/run", text)))
    assert [(one.key, one.value) for one in said] == ([found] if found else [])
    for one in said:
        assert one.argument is not None and text[one.argument.start:one.argument.end] == one.value


@pytest.mark.parametrize(("first", "inner", "account"), [
    ("/usr/sbin/runuser -u www-data -- /srv/run", "exec uvicorn a:b", "www-data"),
    ("/srv/run", "exec setpriv --reuid=deploy:web uvicorn a:b", "deploy"),
    ("/usr/sbin/runuser -u www-data -- /srv/run", "exec gosu deploy uvicorn a:b", "deploy"),     # the last one counts
    ("/srv/run", "exec uvicorn a:b", ""),
])
def test_the_account_is_that_of_the_last_launcher_that_changes_it(first: str, inner: str, account: str) -> None:
    follow = CommandTrace(view(file("/srv/run", f"#!/bin/sh\ncd /srv\n{inner}\n")).contents(), "/")
    words = trace_command([literal_word(word) for word in first.split()], {}, Evidence("unit", "u", ""), follow)[0]
    assert ([word.text for word in words][-2:], follow.runs_as) == (["uvicorn", "a:b"], account)
