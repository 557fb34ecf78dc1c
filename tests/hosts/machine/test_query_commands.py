"""Tests of fixer/hosts/machine/query_commands.py."""

from __future__ import annotations

from fixer.hosts.machine import query_commands
from fixer.model.host import CommandResult
from fixer.model.query import OTHER_UNITS, Command

FIB = b"""Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.5
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
Local:
        |-- 10.0.0.5
           /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
"""


def test_own_addresses_from_the_routing_table() -> None:
    v6 = b"00000000000000000000000000000001 01 80 10 80 lo\nfe800000000000000042acfffe110002 02 40 20 80 eth0\nbad\n"
    assert query_commands.own_addresses(FIB, v6) == b"10.0.0.5\n127.0.0.1\n::1\nfe80::42:acff:fe11:2\n"


def result(code: int | None, out: bytes = b"", **more: bool) -> CommandResult:
    return CommandResult(("tool",), code, out, b"", **more)


def test_results_become_answers() -> None:
    assert query_commands.answer_of([result(0, b"a\n"), result(0, b"b\n")]).data == b"a\n--\nb\n"
    assert query_commands.answer_of([result(None, missing=True)]).status == "no-tool"
    assert query_commands.answer_of([result(None, timed_out=True)]).status == "timeout"
    assert query_commands.answer_of([result(None)]).status == "failed"
    bad = query_commands.answer_of([result(0), result(4, b"x")])
    assert (bad.status, bad.returncode, bad.message) == ("failed", 4, "tool exited with code 4")
    assert query_commands.resolve_answer(("a",), [result(None, missing=True)]).status == "no-tool"
    assert "a" in query_commands.resolve_answer(("a",), [result(None, timed_out=True)]).message


def test_every_command_has_a_constant_argv() -> None:
    show = query_commands.commands_for(Command("systemctl-show", ("a.service", "b@1.socket")))
    assert show is not None
    assert show[0].argv[:4] == ("systemctl", "show", "--no-pager", "--all")
    assert show[0].argv[-3:] == ("--", "a.service", "b@1.socket")
    every = query_commands.commands_for(Command("systemctl-show"))
    assert every is not None
    assert every[0].argv[len(show[0].argv) - 3] == "--"
    assert all(word.endswith(".service") for word in every[0].argv[len(show[0].argv) - 2:])
    units = query_commands.commands_for(Command("systemctl-units"))
    assert units is not None
    assert [run.argv[1] for run in units] == ["list-units", "list-unit-files"]
    assert units[1].argv[-len(OTHER_UNITS):] == OTHER_UNITS     # each file that it lists costs systemd time
    test = query_commands.commands_for(Command("nginx-test", ("/usr/sbin/nginx", "/c", "/p")))
    assert test is not None
    assert test[0].argv == ("/usr/sbin/nginx", "-t", "-c", "/c", "-p", "/p")
    for refused in (("journal", ("a", "x")), ("journal", ("-n",)), ("resolve", ("a b",)), ("nginx-version", ("x",)),
                    ("docker-top", ("c",)), ("systemctl-show", ("a.service", "--host=x")), ("systemctl-jobs", ("x",))):
        assert query_commands.commands_for(Command(*refused)) is None


def test_the_journal_is_asked_for_fields_and_an_old_journalctl_for_text() -> None:
    (run,) = query_commands.commands_for(Command("journal", ("a.service", "200", "shop"))) or ()
    assert run.argv[:6] == ("journalctl", "--quiet", "--no-pager", "-o", "json", "--all")
    assert run.argv[6].startswith("--output-fields=MESSAGE,MESSAGE_ID,")
    assert run.older == ("journalctl", "--quiet", "--no-pager", "-o", "short-unix", *run.argv[7:])
    assert run.argv[7:] == ("-n", "200", "--namespace=+shop", "-u", "a.service")
