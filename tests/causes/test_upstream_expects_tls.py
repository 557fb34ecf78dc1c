"""upstream-expects-tls: plain HTTP to a port that takes TLS only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose import diagnose
from fixer.model.diagnosis import Diagnosis, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginxconf import Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from tests.causes.building import (
    BAD_GATEWAY,
    GOOD,
    SITE,
    Scene,
    finding_of,
    listener,
    probe,
    roots,
    service,
    verdict_of,
)

ANSWERED = Known(GOOD)
CAUSE = "upstream-expects-tls"
CLOSED = probe(error="closed", phase="head")
HTTPS_PORT = probe(400, body="<center>The plain HTTP request was sent to HTTPS port</center><hr><center>nginx</center>")


def scene(heard: Any = CLOSED, other: Any = ANSWERED, page: Any = BAD_GATEWAY) -> Scene:
    made = Scene().with_service(service(), listener(8000, 200)).answers(page)
    made.endpoint(http=Known(heard), tcp=Known(probe()), other=other)
    made.route[0] = {"source": Span(SITE, 3, made.files[0].data.index(b"proxy_pass"), 0)}
    return made


def judged(*words: Any, **more: Any) -> Diagnosis:
    return diagnose(scene(*words, **more).snapshot())


@pytest.mark.parametrize("error", ["closed", "reset", "not-http"])
def test_hit_it_hangs_up_on_plain_http_and_answers_tls(error: str) -> None:
    diagnosis = judged(probe(error=error, phase="head"))
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence, found.service) == ("plain-to-tls-backend", "certain", "backend.service")
    write, check, reload = found.repairs[0].steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert b"proxy_pass https://127.0.0.1:8000;" in (write.after or b"") and found.repairs[0].risk == "safe"


def test_hit_a_server_that_answers_400_is_no_page_for_anybody() -> None:
    diagnosis = judged(HTTPS_PORT, page=HTTPS_PORT)
    assert (roots(diagnosis), diagnosis.verdict) == ([CAUSE], "broken")


def test_miss_an_application_may_answer_400_itself() -> None:
    diagnosis = judged(probe(400, body="bad request"), Unknown("not asked"), page=probe(400, body="bad request"))
    assert diagnosis.verdict == "healthy" and isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_miss_it_hangs_up_on_tls_too() -> None:
    assert isinstance(verdict_of(judged(other=Known(CLOSED)), CAUSE), RuledOut)


def test_unknown_where_tls_could_not_be_tried() -> None:
    assert isinstance(verdict_of(judged(other=Unknown("no tool")), CAUSE), Undetermined)


def test_a_pass_that_also_leads_to_a_plain_server_is_a_persons_work() -> None:
    made = Scene("127.0.0.1:8000", "127.0.0.1:8001").with_service(service(), listener(8000, 200))
    made.with_service(service("second.service", 8001, 201), listener(8001, 201)).answers(BAD_GATEWAY)
    made.endpoint(0, http=Known(CLOSED), tcp=Known(probe()), other=Known(GOOD))
    snapshot = made.snapshot()
    both = replace(snapshot.routes[0], endpoints=("e0", "e1"))
    found = finding_of(diagnose(replace(snapshot, routes=(both,))), CAUSE)
    assert (found.repairs[0].risk, found.repairs[0].steps) == ("manual", ())


def test_a_scheme_in_a_variable_is_a_persons_work() -> None:
    made = scene()
    made.route[0] = {"pass_text": "$target"}
    assert finding_of(diagnose(made.snapshot()), CAUSE).repairs[0].risk == "manual"


def test_a_quoted_pass_keeps_its_quotes() -> None:
    made = scene()
    page = made.files[0]
    at = page.data.index(b"http://")
    data = page.data[:at] + b'"' + page.data[at:].replace(b";", b'";', 1)
    made.files = [replace(page, data=data)]
    write = finding_of(diagnose(made.snapshot()), CAUSE).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and b'proxy_pass "https://127.0.0.1:8000";' in (write.after or b"")
