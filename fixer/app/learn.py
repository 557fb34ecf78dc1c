"""learn: remember a healthy deployment as last known good, on its own machine."""

from __future__ import annotations

import posixpath

from fixer.app.inspect_target import observe_and_diagnose, open_named_target
from fixer.app.request import DiagnoseRequest
from fixer.apply.journal_folder import make_folders
from fixer.apply.target_lock import journal_access, locate_journal
from fixer.errors import NotHealthy
from fixer.model.host import Asker, Files, Target
from fixer.model.learned import LEARNED_FILE, Learned, LearnedService, learned_to_json
from fixer.model.plan import FileMeta
from fixer.model.report import SCHEMA_VERSION, LearnedReport, LearnReport
from fixer.model.snapshot import Snapshot
from fixer.observe.boot.learned_services import (
    LearnCandidate,
    environ_query,
    learn_candidates,
    learned_service,
    users_of,
    variable_file_queries,
)


def learn(word: str, looking: DiagnoseRequest) -> LearnReport:
    """Remember the services behind nginx as they run now; raise NotHealthy unless the target is healthy."""
    with open_named_target(word) as target:
        look = observe_and_diagnose(target, looking)
        if not look.is_healthy:
            raise NotHealthy(
                f"{target.ref} is {look.diagnosis.verdict}: fixer remembers only a healthy deployment",
                f"fixer diagnose {target.ref} shows what is wrong",
            )
        services = _services(target, look.snapshot)
        if not services:
            raise NotHealthy(
                f"{target.ref} has no application that an operator or a unit started",
                "Docker itself remembers containers",
            )
        learned = Learned("", look.snapshot.taken_at, "", services)
        path = _save(target, learned)
    return LearnReport(
        SCHEMA_VERSION, word, path,
        tuple(LearnedReport(
            s.name, s.manager, " ".join(s.argv) if s.complete else "", s.user, s.reached_at,
            tuple(name for name, _ in s.variables), tuple(name for name, file in s.variables if not file), s.readable,
        ) for s in services),
    )


def _services(target: Target, seen: Snapshot) -> tuple[LearnedService, ...]:
    askers = {asker.name: asker for asker in target.askers()}
    return tuple(
        _learn_service(askers[candidate.service.node], candidate) for candidate in learn_candidates(seen)
        if candidate.service.node in askers
    )


def _learn_service(asker: Asker, candidate: LearnCandidate) -> LearnedService:
    """Return the service with its variables. Values are read and compared here, and not kept."""
    own, others = environ_query(candidate), variable_file_queries(candidate)
    answers = asker.ask([own, *others])
    environ = b"".join(file.data for file in answers[own].files) if answers[own].status == "ok" else None
    files = {file.path: file.data for query in others for file in answers[query].files if file.status == "ok"}
    return learned_service(candidate, environ, files, users_of(files.pop("/etc/passwd", b"")))


def _save(target: Target, learned: Learned) -> str:
    writer, folder = locate_journal(target)
    path = f"{folder}/{LEARNED_FILE}"
    with journal_access(folder):
        make_folders(writer.files, folder)
        _write(writer.files, path, learned_to_json(learned))
    return path


def _write(files: Files, path: str, data: bytes) -> None:
    temporary = f"{posixpath.dirname(path)}/.{LEARNED_FILE}.new"
    if files.state(temporary).kind != "absent":
        files.unlink(temporary)
    own = files.state(posixpath.dirname(path))
    files.create(temporary, data, FileMeta(0o600, own.uid, own.gid))
    files.rename(temporary, path)

