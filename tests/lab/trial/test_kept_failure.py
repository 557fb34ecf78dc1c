"""Whether evidence points at what is really there: the line of a file that holds the quoted text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.trial.kept_failure import evidence_problems

TEXT = "server {\n  location / {\n    proxy_pass   http://app:8000;\n  }\n}\nPASSWORD=hunter2\n"


@pytest.fixture
def lab(record: LabRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path / "state"))
    made = Lab(replace(record, stack="containers"))
    made.folder.mkdir(parents=True)
    (made.folder / "site.conf").write_text(TEXT)
    return made


def problems(lab: Lab, where: str, text: str, source: str = "nginx-config") -> list[str]:
    return evidence_problems(lab, [{"source": source, "where": where.format(lab.folder), "text": text}])


@pytest.mark.parametrize(("where", "text"), [
    ("{}/site.conf:3", "proxy_pass http://app:8000;"), ("{}/site.conf:3", "  proxy_pass http://app:8000"),
    ("web:{}/site.conf:3", "proxy_pass http://app:8000;"), ("{}/site.conf:2", "location / { proxy_pass http://app:8000; }"),
    ("{}/site.conf:6", "PASSWORD=***"), ("{}/site.conf:6", "PASSWORD=<redacted>"), ("{}/site.conf:6", "PASSWORD=[masked 1]"), ("{}/site.conf:3", 'proxy_pass "http://[masked 2]";'), ("{}/site.conf", "anything"), ("port 8000", "anything"),
])
def test_a_quoted_text_that_stands_there(lab: Lab, where: str, text: str) -> None:
    assert problems(lab, where, text) == []


@pytest.mark.parametrize(("where", "text", "said"), [
    ("{}/site.conf:4", "proxy_pass http://app:8000;", "does not contain"), ("{}/site.conf:3", "proxy_pass http://app:9000;", "does not contain"),
    ("{}/site.conf:99", "proxy_pass http://app:8000;", "does not contain"), ("{}/site.conf:6", "USER=***", "does not contain"),
    ("{}/gone.conf:1", "server", "which does not exist"),
])
def test_a_quoted_text_that_does_not_is_a_problem(lab: Lab, where: str, text: str, said: str) -> None:
    (problem,) = problems(lab, where, text)
    assert said in problem


def test_no_evidence_and_empty_evidence_are_problems(lab: Lab) -> None:
    assert evidence_problems(lab, []) == ["no evidence"]
    assert problems(lab, " ", "x", "probe") == problems(lab, "x", "\n", "probe") == ["evidence of probe is empty"]


def test_what_is_no_file_is_not_looked_up(lab: Lab) -> None:
    assert problems(lab, "{}/gone.conf:1", "server", "service-log") == []
