"""Units: systemctl show blocks, unit files with continued lines and resets."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from fixer.formats.systemctl_show import (
    escape_instance,
    exec_argv,
    parse_show,
    startable_services,
    unescape_instance,
    with_active_conflicts,
)
from fixer.model.facts import Known, Unknown
from fixer.model.query import Answer
from fixer.model.query import Answer as Said

BLOCK = """Id=back.service
Names=back.service shop.service
LoadState=loaded
ActiveState=failed
SubState=failed
Result=exit-code
ExecMainCode=1
ExecMainStatus=3
MainPID=0
NRestarts=[not set]
ExecStart={ path=/usr/bin/uvicorn ; argv[]=/usr/bin/uvicorn a:b --port ${PORT} ; ignore_errors=no ; start_time=[n/a] }
ExecStart={ path=/bin/x ; argv[]=/bin/x ; ignore_errors=no }
Environment=A=1 "B=two words"
EnvironmentFiles=/etc/a (ignore_errors=no)
EnvironmentFiles=/etc/b (ignore_errors=yes)
WorkingDirectory=!/srv/back
DropInPaths=/etc/systemd/system/back.service.d/a.conf /etc/systemd/system/back.service.d/b.conf
ConditionResult=no
ConditionTimestampMonotonic=0
ActiveEnterTimestampMonotonic=2500000
StartLimitIntervalUSec=10s
RestartUSec=100ms
TriggeredBy=back.socket x.timer
MemoryMax=94371840
TasksMax=18446744073709551615
StartLimitBurst=5
NeedDaemonReload=yes

Names=nothing
LoadState=not-found

Id=other.service
ConditionResult=no
ConditionTimestampMonotonic=7
"""


def test_show_gives_a_unit_under_each_of_its_names() -> None:
    units = parse_show(Answer("ok", BLOCK.encode()), Known(1000.0))
    assert set(units) == {"back.service", "shop.service", "other.service"}
    back = units["shop.service"]
    assert back is units["back.service"] and (back.active_state, back.exec_main_status, back.n_restarts) == ("failed", 3, 0)
    assert back.exec_start == ("/usr/bin/uvicorn", "a:b", "--port", "${PORT}")
    assert back.environment_names == ("A", "B") and back.environment_files == ("/etc/a", "-/etc/b")
    assert len(back.drop_in_paths) == 2 and back.working_directory == "/srv/back" and back.need_daemon_reload
    assert back.condition_result            # it was never tried
    assert (back.active_enter, back.inactive_enter, back.start_limit_interval) == (1002.5, 0.0, 10.0)
    assert (back.restart_delay, back.triggered_by) == (0.1, ("back.socket", "x.timer"))
    assert (back.memory_max, back.tasks_max) == (94371840, 0)
    assert not units["other.service"].condition_result


def test_nothing_shown() -> None:
    assert parse_show(None, Unknown("x")) == {} and parse_show(Answer("no-tool"), Unknown("x")) == {}
    assert parse_show(Answer("ok", b"\xff\n=\nId=\n"), Unknown("x")) == {}


def test_argv_of_nothing() -> None:
    assert exec_argv("") == ()


def test_of_the_units_in_conflict_those_that_run_are_kept() -> None:
    text = ("Id=a.service\nActiveState=inactive\nConflicts=shutdown.target b.service c.service d.service\n\n"
            "Id=b.service\nActiveState=active\nConflictedBy=a.service\n\nId=c.service\nActiveState=inactive\n")
    units = with_active_conflicts(parse_show(Answer("ok", text.encode()), Known(0.0)))
    assert units["a.service"].conflicts == ("b.service",) and units["b.service"].conflicts == ()


def test_a_service_that_an_init_script_makes_may_be_asked_for() -> None:
    listed = b"a.service loaded\n--\nshop.service generated -\nold.service static -\nweb@.service enabled -\nb.service disabled -\n"
    assert startable_services(Answer("ok", listed)) == ("b.service", "shop.service")


def test_what_starts_a_unit_along_is_told_apart_from_what_was_not_asked() -> None:
    text = ("Id=a.service\nWantedBy=multi-user.target\nRequiredBy=\nBoundBy=b.service\nTriggeredBy=a.timer\n\n"
            "Id=b.service\nWantedBy=\n\nId=c.service\n")
    units = parse_show(Answer("ok", text.encode()), Known(0.0))
    assert [units[f"{x}.service"].pulled_by for x in "abc"] == [("multi-user.target", "b.service", "a.timer"), (), None]


# Instances of template units by the text that they stand for.


@pytest.mark.parametrize(("text", "instance"), [
    ("8000", "8000"), ("back-office", r"back\x2doffice"), ("a/b", "a-b"), (".env", r"\x2eenv"), ("a.b:c_d", "a.b:c_d"),
    ("\u00e9t\u00e9", r"\xc3\xa9t\xc3\xa9"), ("a b", r"a\x20b"),
])
def test_as_systemd_escape_has_it(text: str, instance: str) -> None:
    assert (escape_instance(text), unescape_instance(instance)) == (instance, text)


def test_limits_of_a_unit() -> None:
    text = "Id=a.service\nLoadState=loaded\nCPUQuotaPerSecUSec=1.500000s\nLimitNOFILESoft=1024\n"
    unit = parse_show(Said("ok", text.encode()), Known(0.0))["a.service"]
    assert (unit.cpu_limit, unit.nofile_limit) == (1.5, 1024)


@pytest.mark.parametrize("read", [lambda answer: parse_show(answer, Unknown("no boot time")), startable_services])
def test_very_many_short_lines_take_little_more_memory_than_their_text(read: Callable[[Answer], object]) -> None:
    data = b"--\n" + b"ab\n" * 110_000
    tracemalloc.start()
    try:
        assert not read(Answer("ok", data))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * len(data)      # of a list: 25 times
