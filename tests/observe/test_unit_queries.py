"""What fixer asks of each node: the files that start its units and programs."""

from __future__ import annotations

from fixer.model.query import Answer, Command, FileAnswer, ReadFile
from fixer.observe.build_snapshot import build_snapshot
from tests.observe.capture_builders import capture, file, link, node, process
from tests.observe.next_queries_builders import LISTENS, SITE, WELL, asked, failure
from tests.observe.nginx.endpoints_builders import SHOW

UNITS = [file("/etc/systemd/system/back.service", "[Service]\nEnvironmentFile=/etc/e\nWorkingDirectory=/srv\nExecStart=/srv/run\n")]
CONDITIONS = """[Unit]
ConditionHost=old
ConditionHost=
ConditionPathExists=!/etc/off
ConditionFileNotEmpty=|/etc/shop/%i
ConditionPathExists=/etc/on
[Service]
ExecStart=/usr/bin/uvicorn a:b --port 8000
MemoryMax=1G
MemoryMax=90M
"""


def test_files_that_say_how_a_unit_starts() -> None:
    seen = node(WELL, site=SITE, listening=LISTENS, units=UNITS, show=SHOW.format("back.service", "active", 7))
    assert {q.path for q in asked(seen) if isinstance(q, ReadFile)} == {"/etc/e", "/srv/run"}
    shipped = SHOW.format("x.service", "active", 0).replace("/etc/systemd", "/usr/lib/systemd")
    assert asked(node(WELL, site=SITE, listening=LISTENS, show=shipped)) == []


def test_units_that_systemd_has_not_loaded() -> None:
    more = [*UNITS, file("/etc/systemd/system/systemd-x.service", ""), file("/etc/systemd/system/t@.service", "")]
    assert Command("systemctl-show", ("back.service",)) in asked(node(WELL, site=SITE, listening=LISTENS, units=more))


def test_a_masked_unit_is_asked_for_only_where_something_fails() -> None:
    units = [*UNITS, link("/etc/systemd/system/old.service", "/dev/null")]
    well = asked(node(WELL, site=SITE, listening=LISTENS, units=units))
    assert Command("systemctl-show", ("back.service",)) in well
    failing = asked(node(WELL, site=SITE, listening=LISTENS, units=units, log=failure(30)))
    assert Command("systemctl-show", ("back.service", "old.service")) in failing
    only = asked(node(WELL, site=SITE, listening=LISTENS, units=units[1:]))
    assert not [q for q in only if isinstance(q, Command) and q.name == "systemctl-show"]


def test_the_source_of_a_python_program() -> None:
    seen = node(WELL, site=SITE, running=[process(7, ["python3", "x.py"], cwd="/srv")], listening=LISTENS)
    assert ReadFile("/srv/x.py", 64 << 10) in asked(seen)


def test_paths_of_conditions_are_looked_at_only_where_one_was_not_met() -> None:
    show = SHOW.format("shop.service", "inactive", 0)
    unit = file("/etc/systemd/system/shop.service", CONDITIONS)
    on, off = (ReadFile(f"/etc/{name}", 64 << 10) for name in ("on", "off"))
    assert on not in asked(node(site=SITE, show=show, units=(unit,)))
    skipped = show.replace("Type=simple", "ConditionResult=no\nConditionTimestampMonotonic=9\nType=simple")
    questions = asked(node(site=SITE, show=skipped, units=(unit,)))
    assert on in questions and off in questions
    answers = {on: Answer("ok", files=(FileAnswer("/etc/on", "absent"),)),
               off: Answer("failed", files=(FileAnswer("/etc/off", "denied"),))}
    settings = build_snapshot(capture(node(answers, site=SITE, show=skipped, units=(unit,)))).services[0].settings
    assert [(s.key, s.value, s.present) for s in settings] == [
        ("ConditionPathExists", "!/etc/off", None), ("ConditionFileNotEmpty", "|/etc/shop/%i", None),
        ("ConditionPathExists", "/etc/on", False), ("MemoryMax", "90M", None),
    ]
    assert settings[0].source.where == "/etc/systemd/system/shop.service:4"


