"""A service without a container that Compose cannot create: a file that the project takes variables from is gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import ENGINE, config_evidence
from fixer.analysis.nginx_errors import is_refused, say_routes, symptom_evidence
from fixer.causes.backend_down.uncreated import missed
from fixer.formats.backup_names import is_copy_name
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import FileMeta, WriteFile
from fixer.model.snapshot import FileContent, LackedFile
from fixer.redaction.all_files import redact_env_file
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.older_state import BACKUP_KEY, ID, hidden_lines
from fixer.repairs.start_service import create_service

VARIANT = "start-envfile-missing"
PUT = "restore-environment-file"
_EXPLAINS = ("backend-down", "dns-unresolved", "dns-stale", "nginx-down", "nginx-config-invalid", "nginx-not-reloaded")


def lacked_env(case: Case) -> list[Finding]:
    """One finding a service that is missed; its own file comes before that of another one of the project."""
    found: dict[str, Finding] = {}
    for compose, trouble, service in missed(case):
        lacked = sorted(compose.lacked, key=lambda one: one.service != service.service)
        if not lacked or service.profiles:
            continue
        new, old = _finding(case, trouble, service.service, lacked), found.get(service.service)
        found[service.service] = new if old is None else replace(
            old, routes=tuple(dict.fromkeys((*old.routes, *new.routes))),
            evidence=tuple(dict.fromkeys((*old.evidence, *new.evidence))))
    return list(found.values())


def _finding(case: Case, trouble: Trouble, name: str, lacked: Sequence[LackedFile]) -> Finding:
    first = lacked[0]
    whose = "" if first.service == name else f" (of service {first.service}; Compose refuses every `up` without it)"
    more = tuple(f"{one.path} of service {one.service} is not there either" for one in lacked[1:]
                 if one.path != first.path)
    evidence = (
        first.source, Evidence("file", first.path, "no such file"), *_beside(case, first),
        config_evidence(case.snapshot, trouble.nginx, trouble.endpoint), *symptom_evidence(case, trouble, is_refused),
    )
    return Finding(
        cause="crash-missing-env", variant=VARIANT, role="root", confidence="certain",
        summary=f"service {name} has no container and cannot be created: {first.path}, named by env_file, is not there"
                f"{whose}",
        detail=(f"needed by {say_routes(trouble)}", *dict.fromkeys(more)), routes=trouble.route_ids, service=name,
        node=trouble.nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=tuple(_repairs(case, name, first, alone=not more)), explains=_EXPLAINS,
    )


def _beside(case: Case, lacked: LackedFile) -> Iterator[Evidence]:
    for path in lacked.beside[:2]:
        if _held(case, path) is not None:
            what = "an older state of it, by its name" if _is_copy(path, lacked) else "an example, by its name"
            yield Evidence("file", path, what)


def _repairs(case: Case, name: str, lacked: LackedFile, *, alone: bool) -> Iterator[Repair]:
    """What lies beside it is a person's choice: a copy may be old, and an example holds no values that are meant."""
    create = create_service(case.snapshot, name, f"env file {lacked.path}")
    paths = tuple(path for path in lacked.beside if _held(case, path) is not None)
    if paths and alone and not isinstance(create, NoPlace):
        said = [path if _is_copy(path, lacked) else f"{path} (an example, whose values may be placeholders)"
                for path in paths]
        need = Need(BACKUP_KEY, "choice", f"what {lacked.path} is to be made from: {', '.join(said)}", paths)
        given = case.inputs.get(BACKUP_KEY, "")
        chosen = _held(case, given) if given in paths else None
        steps = () if chosen is None else (_write(lacked.path, chosen), create)
        yield Repair(ID, "disruptive", f"put {lacked.path} back, then create service {name}", steps, (need,))
    held = f" ({', '.join(paths)} {'lies' if len(paths) == 1 else 'lie'} beside it)" if paths else ""
    manual = (f"put {lacked.path} back with the variables that service {lacked.service} needs{held}, then docker "
              f"compose up -d --no-deps {name}; where it needs none, take the line out at {lacked.source.where}")
    yield Repair(PUT, "manual", f"put {lacked.path} back", (), manual=manual)


def _held(case: Case, path: str) -> FileContent | None:
    file = case.snapshot.file(ENGINE, path)
    return file if file is not None and file.data.strip() else None


def _is_copy(path: str, lacked: LackedFile) -> bool:
    return is_copy_name(path.rpartition("/")[2], lacked.path.rpartition("/")[2])


def _write(path: str, older: FileContent) -> WriteFile:
    meta = FileMeta(older.stat.mode & 0o7777, older.stat.uid, older.stat.gid)
    return WriteFile(ENGINE, path, None, older.data, f"the state of {older.path}", meta=meta,
                     mask=hidden_lines(older.data, redact_env_file))
