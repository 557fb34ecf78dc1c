"""Drawn secrets in a capture of a real deployment, and every byte that is written about it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

from fixer.diagnose.run_causes import diagnose
from fixer.lazy.dataclass import replace
from fixer.model.capture import Capture
from fixer.model.diagnosis import Diagnosis
from fixer.model.query import Answer, Command, FileAnswer, ListProcesses, Query, ReadFile, ReadTree
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.evidence_bundle import pack_bundle
from fixer.planner import RepairPolicy, plan
from fixer.redaction.masked_steps import describe_step, diff_of, step_to_json
from fixer.render import to_console, to_html, to_json, to_markdown
from fixer.render.build_report import build_report, repair_report
from tests.trust.drawn_secrets import Secret
from tests.trust.test_drawn_secrets import inspect_of

Drawn = Sequence[tuple[Secret, str, str]]


def planted(capture: Capture, drawn: Drawn) -> Capture:
    """Return the capture with each drawn text where fixer reads one of its kind."""
    texts: dict[str, list[str]] = {}
    for _, kind, text in drawn:
        texts.setdefault(kind, []).append(text)
    nodes = tuple(replace(node, answers={q: _planted(q, a, texts) for q, a in node.answers.items()}) for node in capture.nodes)
    return replace(capture, nodes=nodes)


def _planted(query: Query, answer: Answer, texts: dict[str, list[str]]) -> Answer:
    match query:
        case ReadTree() if answer.files:
            inner = "".join(f"server {{ listen 127.0.0.1:{9000 + n};\n{text}\n}}\n" for n, text in enumerate(texts.get("nginx", [])))
            more = (inner, *texts.get("top", []))
            like = next(file for file in answer.files if file.data)
            return replace(answer, files=(*answer.files, *(
                replace(like, path=f"/etc/nginx/conf.d/zz{n}.conf", data=text.encode()) for n, text in enumerate(more))))
        case ListProcesses():
            return replace(answer, files=(*answer.files, *(
                FileAnswer(f"/proc/{90000 + n}/cmdline", "ok", None, text.encode()) for n, text in enumerate(texts.get("argv", [])))))
        case Command("journal" | "docker-logs"):
            lines = "\n".join(text for kind in ("log", "nginx-log") for text in texts.get(kind, []))
            return replace(answer, data=answer.data + lines.encode() + b"\n")
        case Command("systemctl-show"):
            return answer
        case Command("docker-container" | "docker-project"):
            return replace(answer, data=_with_containers(answer.data, texts.get("inspect", [])))
        case ReadFile() if query.tail:
            return replace(answer, files=tuple(replace(f, data=f.data + "\n".join(texts.get("nginx-log", [])).encode() + b"\n") for f in answer.files))
        case _:
            return replace(answer, files=tuple(_with_texts(file, texts) for file in answer.files))


def _with_texts(file: FileAnswer, texts: dict[str, list[str]]) -> FileAnswer:
    ends = {".service": "unit", ".conf": "program", ".py": "code", ".env": "env", ".yaml": "yaml", ".yml": "yaml", ".sh": "script"}
    kind = next((kind for end, kind in ends.items() if file.path.endswith(end)), "env" if file.path.startswith("/etc/default/") else "")
    if not file.data or not kind or (kind == "program" and "supervisor" not in file.path):
        return file
    return replace(file, data=file.data + b"\n" + "\n".join(texts.get(kind, [])).encode() + b"\n")


def _with_containers(data: bytes, texts: list[str]) -> bytes:
    try:
        items = json.loads(data)
    except ValueError:
        return data
    return json.dumps([*items, *(item for text in texts for item in json.loads(inspect_of(text)))], ensure_ascii=False).encode()


def written(capture: Capture) -> dict[str, bytes]:
    """Return everything that fixer writes about a capture: the bundle, each format of the report, plans, records."""
    snapshot = build_snapshot(capture)
    diagnosis = diagnose(snapshot, accepted=snapshot.ignored)
    report = build_report(snapshot, diagnosis, duration_ms=1.0)
    texts = {
        "json": json.dumps(to_json.to_value(report), ensure_ascii=False), "console": to_console.render(report, verbose=True), "html": to_html.render(report),
        "markdown": to_markdown.render(report), "steps": "\n".join(_steps(diagnosis)),
    }
    return {"bundle": gzip.decompress(pack_bundle(capture)), **{name: text.encode("utf-8", "replace") for name, text in texts.items()}}


def _steps(diagnosis: Diagnosis) -> list[str]:
    said = []
    for risk in ("safe", "disruptive"):
        made = plan(diagnosis, RepairPolicy(max_risk=risk), strict=False)
        said += [made.summary or "", diff_of(made.steps), *map(describe_step, made.steps), *map(step_to_json, made.steps)]
    for finding in diagnosis.findings:
        for repair in finding.repairs:
            said += [str(repair_report(repair)), diff_of(repair.steps), *map(describe_step, repair.steps), *map(step_to_json, repair.steps)]
    return said
