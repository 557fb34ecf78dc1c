"""Tests of fixer/render/fleet_to_junit.py."""

from __future__ import annotations

from xml.etree import ElementTree

from fixer.render.fleet_to_junit import render
from tests.render import fleet_samples as s


def test_each_host_is_a_case() -> None:
    root = ElementTree.fromstring(render(s.MIXED))
    suite = root[0]
    assert (root.tag, suite.attrib) == ("testsuites", {"name": "fleet", "tests": "17", "failures": "13", "errors": "2", "skipped": "0"})
    cases = {case.attrib["name"]: case for case in suite}
    assert len(cases) == 17 and len(cases["web-1"]) == 0
    (failure,) = cases["web-14"]
    assert failure.tag == "failure" and failure.attrib["type"] == "wrong-port (container-wrong-port)"
    assert "nothing listens" in failure.attrib["message"] and "point-route-at-listener" in (failure.text or "")
    (error,) = cases["web-51"]
    assert (error.tag, error.attrib["message"]) == ("error", "nothing answers at port 22")


def test_text_of_a_hostile_host_stays_text() -> None:
    root = ElementTree.fromstring(render(s.EVIL))
    assert {item.tag for item in root.iter()} == {"testsuites", "testsuite", "testcase", "failure", "error"}
