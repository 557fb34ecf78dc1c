"""Tests of fixer/observe/masked_capture.py: a masked capture of a real deployment means what the capture means."""

from __future__ import annotations

import gzip
import json

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture
from fixer.model.facts import Known
from fixer.model.plan import Step
from fixer.model.query import Answer, Command, FileAnswer, Probe, ReadFile, ReadTree
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import pack_bundle, unpack_bundle
from fixer.observe.masked_capture import redact_capture
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import options_from
from fixer.planner import RepairPolicy, plan
from tests.frozen import captures
from tests.observe.capture_builders import capture, file, node, probe_answer, stat

EVERY = 12      # of the captures, one in so many


def gist(capture: Capture) -> list[str]:
    """Causes, variants, confidence, places of evidence, repairs and plans; the words of evidence may be masked."""
    snapshot = build_snapshot(capture)
    diagnosis = diagnose(snapshot, accepted=snapshot.ignored)
    said = [f"{f.cause} {f.variant} {f.role} {f.confidence} {f.routes} {f.service} {f.node} {[e.where for e in f.evidence]}" for f in diagnosis.findings]
    said += [f"{r.id} {r.risk} {_steps(r.steps)} {[need.key for need in r.needs]} {bool(r.manual)}" for f in diagnosis.findings for r in f.repairs]
    for risk in ("safe", "disruptive"):
        made = plan(diagnosis, RepairPolicy(max_risk=risk), strict=False)
        said.append(f"{risk}: {made.cause} {made.repair_id} {made.risk} {_steps(made.steps)}")
    return said


def _steps(steps: tuple[Step, ...]) -> list[str]:
    return [f"{type(step).__name__} {getattr(step, 'path', '')}" for step in steps]


@pytest.mark.slow
def test_a_masked_capture_is_diagnosed_as_the_capture() -> None:
    differing = []
    for key, bundle in captures.unpacked(wanted=lambda place, name: place % EVERY == 0):
        whole = unpack_bundle(bundle)
        if gist(whole) != gist(redact_capture(whole)):
            differing.append(key)
    assert differing == []


def test_a_mounted_file_is_masked_as_the_nginx_that_reads_it() -> None:
    """The same bytes were masked in two ways, and a repair did not know the file of the host any more."""
    data = b"# why\nset $a secret1;\n"
    inside = Answer("ok", files=(FileAnswer("/etc/nginx/conf.d/a.conf", "ok", stat(), data),))
    outside = Answer("ok", files=(FileAnswer("/srv/shop/site", "ok", stat(), data),))
    tree, read = ReadTree("/etc/nginx"), ReadFile("/srv/shop/site")
    masked = redact_capture(capture(node({tree: inside, read: outside}))).nodes[0].answers
    assert masked[tree].files[0].data == masked[read].files[0].data != data


SECRET = "Zx9Kq7LmT4vB2nW8"


@pytest.mark.parametrize(("location", "url"), [(f"/hook/{SECRET}/", None), ("/", f"http://localhost/x?token={SECRET}"), ("/", f"http://localhost/hook/{SECRET}")])
def test_what_was_asked_holds_no_secret_and_is_found_again(location: str, url: str | None) -> None:
    """The questions stand in a bundle's index: a webhook's location, and the page that somebody named."""
    site = f"server {{ listen 80; location {location} {{ proxy_pass http://127.0.0.1:8000; }} }}"
    asked = capture(node(site=site))
    if url is not None:
        asked = replace(asked, options=tuple((name, url if name == "url" else value) for name, value in asked.options))
    for _ in range(3):
        more = [query for query in follow_up_queries(asked, options_from(asked.options)).get("local", ()) if query not in asked.nodes[0].answers]
        answers = {query: probe_answer(502) if isinstance(query, Probe) else Answer("absent") for query in more}
        asked = replace(asked, nodes=(replace(asked.nodes[0], answers={**asked.nodes[0].answers, **answers}),))
    bundle = pack_bundle(asked)
    assert SECRET not in gzip.decompress(bundle).decode("latin-1")
    seen, whole = build_snapshot(unpack_bundle(bundle)).routes[0], build_snapshot(asked).routes[0]
    found, given = ([replace(probe, page="") for probe in facts.probes.or_else(())] for facts in (seen, whole))
    assert isinstance(whole.probes, Known) and found == given and seen.url_asked == whole.url_asked == (url is not None)


NAMED = "t1d9b99a0desk"


def test_names_of_containers_networks_and_units_stay() -> None:
    inspect = [{"Id": "a" * 64, "Name": f"/{NAMED}-api-1", "Config": {"Labels": {"com.docker.compose.project": NAMED}, "Env": [f"DATABASE_URL=postgres://u:{SECRET}@{NAMED}-db-1:5432/x"]},
                "NetworkSettings": {"Networks": {f"{NAMED}_front": {"Aliases": ["api"]}}}}]
    masked = redact_capture(capture(node({Command("docker-project", (NAMED,)): Answer("ok", json.dumps(inspect).encode()), Command("journal", (f"{NAMED}.service", "9")): Answer("ok", f"1.0 h {NAMED}[7]: error: bind failed\n".encode())},
                                         units=[file(f"/etc/systemd/system/{NAMED}.service", f"[Service]\nExecStart=/srv/{NAMED}/run --name {NAMED}\n")])))
    said = [answer.data.decode() + "".join(f.data.decode() for f in answer.files) for answer in masked.nodes[0].answers.values()]
    assert sum(text.count(NAMED) for text in said) == 7 and not any(SECRET in text for text in said)
    # the name of nobody's part is a drawn word
    assert NAMED not in redact_capture(capture(node({ReadFile("/srv/a.py"): Answer("ok", files=(file("/srv/a.py", f"x = '{NAMED}'"),))}))).nodes[0].answers[ReadFile("/srv/a.py")].files[0].data.decode()


def test_a_container_that_a_traceback_quotes_keeps_its_name() -> None:
    boxes = [{"Name": "/p-store-1", "Config": {"Labels": {"com.docker.compose.service": "store"}}}]
    said = b'Traceback (most recent call last):\n  File "/srv/a.py", line 3, in <module>\n' \
           b'    socket.create_connection(("%s", 5258), 5)\nsocket.gaierror: [Errno -3] Temporary failure in name resolution\n'
    project, logs, other = Command("docker-project", ("p",)), Command("docker-logs", ("a",)), Command("docker-logs", ("b",))
    answers = {project: Answer("ok", json.dumps(boxes).encode()), logs: Answer("ok", said % b"store"), other: Answer("ok", said % b"abroad")}
    masked = redact_capture(capture(node(answers))).nodes[0].answers
    assert masked[logs].data == said % b"store" and b"abroad" not in masked[other].data
