"""Tests of fixer/observe/supervisord/supervised_log.py."""

from __future__ import annotations

from fixer.model.facts import Known
from fixer.model.query import ReadFile, ReadGlob
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.node_view import MOST_PROGRAM_FILES
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, node
from tests.observe.supervisord.supervisord_programs_builders import (
    CONF,
    DAEMON,
    PROGRAM,
    SITE,
    answers,
    said,
    shop,
)


def test_its_own_lines_since_it_was_well_then_supervisords() -> None:
    err = "KeyError: 'OLD'\nINFO:     Application startup complete.\nKeyError: 'NEW'\n"
    log = said((9, "spawned: 'shop' with pid 5"), (8, "exited: shop (exit status 1; not expected)"))
    found = shop(DAEMON, log=log, err=err).log
    assert isinstance(found, Known)
    assert [line.text for line in found.value] == [
        "spawned: 'shop' with pid 5", "exited: shop (exit status 1; not expected)", "KeyError: 'NEW'"]
    # the next try has begun and said nothing yet
    again = shop(DAEMON, log=log + said((0.2, "spawned: 'shop' with pid 6")), err=err).log
    assert isinstance(again, Known) and again.value[-1].text == "KeyError: 'NEW'"
    made = answers(log=said((-9, "spawned: 'shop' with pid 5")), err=err)
    # a file that is older than the last start tells nothing of it
    found = next(s for s in build_snapshot(capture(node(made, site=SITE, running=[DAEMON]))).services if s.program).log
    assert isinstance(found, Known) and [line.text for line in found.value] == ["spawned: 'shop' with pid 5"]


def test_what_is_asked_for_and_when() -> None:
    bare = capture(node({}, site=SITE, running=[DAEMON]))
    first = follow_up_queries(bare, ObserveOptions(probe=False))["local"]
    assert ReadFile(CONF) in first
    named = {**answers(program=PROGRAM.replace("directory", "stdout_logfile=/var/log/%(program_name)s.log\ndirectory"))}
    asked = follow_up_queries(capture(node(named, site=SITE, running=[DAEMON])), ObserveOptions(probe=False))["local"]
    assert ReadFile("/var/log/shop.log", 1 << 16, tail=True) in asked
    assert ReadGlob(("/var/log/supervisor/shop-stderr---*.log",), limit=1, max_files=MOST_PROGRAM_FILES) in asked
    own = {**answers(program=PROGRAM.replace("uvicorn shop:app", "gunicorn --error-logfile log/e.log shop:app"))}
    asked = follow_up_queries(capture(node(own, site=SITE, running=[DAEMON])), ObserveOptions(probe=False))["local"]
    assert ReadFile("/srv/shop/log/e.log", 1 << 16, tail=True) in asked
    several = {**answers(program=PROGRAM.replace("directory", "numprocs=2\nprocess_name=s%(process_num)d\ndirectory"))}
    asked = follow_up_queries(capture(node(several, site=SITE, running=[DAEMON])), ObserveOptions(probe=False))["local"]
    both = ("/var/log/supervisor/s0-stderr---*.log", "/var/log/supervisor/s1-stderr---*.log")
    assert ReadGlob(both, limit=1, max_files=MOST_PROGRAM_FILES) in asked      # called as its processes are
    none = follow_up_queries(capture(node({}, site=SITE)), ObserveOptions(probe=False))["local"]
    assert not any(isinstance(q, ReadFile) and "supervisor" in q.path for q in none)
