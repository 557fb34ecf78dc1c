"""Services of boot entries that do not run: their address, their log, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer, FileAnswer, ReadFile
from fixer.model.service import Service
from fixer.observe.boot.boot_entries import BOOT_ENTRY_FILES
from fixer.observe.boot.boot_services import boot_log_queries, boot_services
from fixer.observe.files.log_files import unit_log_query
from fixer.observe.view.node_view import View
from tests.observe.boot.boot_entries_builders import seen
from tests.observe.capture_builders import NOW, file, view

SCRIPT = "#!/bin/sh\ncd /opt/shop || exit 1\n. /etc/shop.env\nexport MODE=live\nexec uvicorn web:app --port 8123 >>shop.log 2>&1\n"
LOG = "/opt/shop/shop.log"


def host(script: str = SCRIPT, log: str | None = None, env: FileAnswer | None = None) -> View:
    made = view(file("/opt/shop/start.sh", script), env or file("/etc/shop.env", "KEY=x\n"))
    answers = {**made.node.answers,
               BOOT_ENTRY_FILES: Answer("ok", files=(file("/etc/cron.d/shop", "@reboot shop /opt/shop/start.sh\n"),))}
    if log is not None:
        answers[unit_log_query(LOG)] = Answer("ok", files=(file(LOG, log, mtime=NOW - 50),))
    return replace(made, node=replace(made.node, answers=answers))


def test_a_boot_entry_is_a_service_with_its_address_variables_and_log() -> None:
    (one,) = boot_services(host(log="first\nlast\n"), ())
    assert (one.name, one.manager, one.pids, one.running) == ("start.sh", "none", (), False)
    assert [b.port for b in one.bindings.or_else(())] == [8123]
    assert {a.name: a.defined_in for a in one.env} == {"KEY": "/etc/shop.env:1", "MODE": "/opt/shop/start.sh:4"}
    assert [(line.at, line.text) for line in one.log.or_else(())] == [(NOW - 50, "first"), (NOW - 50, "last")]
    assert one.boot_entry is not None and (one.boot_entry.file, one.boot_entry.line) == ("/etc/cron.d/shop", 1)


def test_the_log_is_asked_for_before_it_is_known() -> None:
    made = host()
    assert list(boot_log_queries(made)) == [ReadFile(LOG, 64 << 10, tail=True)]
    (one,) = boot_services(made, ())
    assert one.log == Unknown("not asked")


def test_output_that_goes_nowhere_is_no_log() -> None:
    made = host(SCRIPT.replace(">>shop.log 2>&1", ">/dev/null 2>&1"))
    (one,) = boot_services(made, ())
    assert isinstance(one.log, Unknown) and "does not go to a file" in one.log.reason


def test_what_runs_or_is_managed_at_the_address_is_the_service() -> None:
    made = host()
    (one,) = boot_services(made, ())
    other: Service = replace(one, id="local/web.service", name="web.service", boot_entry=None)
    assert not list(boot_services(made, (other,)))
    elsewhere = replace(other, bindings=Known(()), pids=(7,))
    assert not list(boot_services(made, (elsewhere,)))         # the same command runs, at another address
    assert list(boot_services(made, (replace(elsewhere, argv=("sleep",)),)))
    assert list(boot_services(made, (replace(other, node="elsewhere"),)))


def test_nothing_is_made_of_what_was_not_asked() -> None:
    assert not list(boot_services(view(), ()))
    assert not list(boot_services(seen(file("/etc/cron.d/other", "@reboot root /usr/bin/certbot renew\n")), ()))


GONE = FileAnswer("/etc/shop.env", "absent", None, b"")
GUARDED = "[ -r /etc/shop.env ] && . /etc/shop.env"


@pytest.mark.parametrize(("line", "env", "missing"), [
    (". /etc/shop.env", None, ""), (". /etc/shop.env", GONE, "/etc/shop.env"), ("source /etc/shop.env", GONE, "/etc/shop.env"),
    ("set -a; . '/etc/shop.env'; set +a", GONE, "/etc/shop.env"), (GUARDED, GONE, ""),
    ("if test -f /etc/shop.env; then\n  . /etc/shop.env\nfi", GONE, ""),
])
def test_a_script_cannot_do_without_a_file_that_no_test_guards(line: str, env: FileAnswer | None, missing: str) -> None:
    (one,) = boot_services(host(SCRIPT.replace(". /etc/shop.env", line), env=env), ())
    assert one.boot_entry is not None and one.boot_entry.missing_file == missing
