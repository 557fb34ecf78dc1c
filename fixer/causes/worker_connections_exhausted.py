"""A worker of nginx has as many connections open as `worker_connections` allows. It closes new ones, or answers 500.
nginx logs `N worker_connections are not enough` at the level alert. Raise the number, within the limit of open files.

By hand
  grep 'worker_connections are not enough' /var/log/nginx/error.log  # `reusing connections` refuses no visitor
  ss -tnp | grep -c nginx    # how many connections are open now?
  nginx -T 2>/dev/null | grep -n 'worker_connections\\|worker_rlimit_nofile'
  grep 'open files' /proc/$(pgrep -f 'nginx: worker' | head -n 1)/limits    # each connection needs a file
  worker_connections 4096;    # in events { }, in nginx.conf; beyond the limit of files worker_rlimit_nofile too
  nginx -t && nginx -s reload

What it is
  Each worker holds a fixed number of connections: its listeners, the visitors, and one more for each request that it
  passes on. 512 is nginx's default, distributions write 768 or 1024.

Why nginx says 500, or nothing
  A visitor for whom there is no place is not accepted: the connection is closed without an answer. One who got the last
  place gets 500, since nginx cannot connect to the backend. Requests that are quickly done go on in between.

How it is told apart
  nginx says so itself, with the number; fd-exhausted is another line (`24: Too many open files`). Visitors that wait
  for a backend that does not answer (backend-hung, overload-saturated) hold them too: that is then repaired first.

The repair and its safety
  raise-worker-connections (safe; disruptive if too few requests fail to measure it): the number in nginx's main file,
  four times what it was and at least 1024; nginx -t, a reload. Each connection is a file: where the limit of nginx's
  process is lower, worker_rlimit_nofile is raised with it. A container's processes get no more files than it was given:
  up to that only.

Variants
  worker-connections-exhausted  a worker of nginx has no place for a further connection
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import file_line_text, line_text, listeners_on, pids_of
from fixer.analysis.logged_failures import lasting_lines
from fixer.analysis.nginx_errors import recent_lines
from fixer.analysis.nginx_process import route_ids_of
from fixer.formats.numbers import is_number, times_text
from fixer.lazy.dataclass import dataclass
from fixer.managers import manager_of
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import ErrorKind
from fixer.model.plan import WriteFile
from fixer.model.snapshot import ErrorEvent, Nginx
from fixer.repairs.file_edits import (
    EditableFile,
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    locate_editable_file,
    overwriters_text,
)
from fixer.repairs.worker_limits import connections_limit, open_files_limit, set_connections, set_open_files

_KIND: frozenset[ErrorKind] = frozenset({"connections-exhausted"})
INPUT_KEY = "worker_connections"
_ENOUGH = 1024
_USUAL_FILES = 1024     # the soft limit of a process for which nobody has set another
_ID = "raise-worker-connections"


@dataclass(frozen=True, slots=True)
class _Limits:
    """What a worker may open: `connections` as the file at `path` says in that line, and `files`. `is_capped`: it runs
    in a container, which cannot give it more files."""

    connections: int
    path: str
    line: int
    files: int
    is_capped: bool


def judge(case: Case) -> Verdict:
    """Judge each nginx: did a worker just refuse a connection because it has no place for it?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        recent = recent_lines(case, nginx, _KIND)
        lines = recent or lasting_lines(case, nginx, _KIND)
        if lines and nginx.master_pid is not None:
            findings.append(_found(case, nginx, lines, "a minute" if recent else "15 minutes"))
        elif isinstance(nginx.errors, Unknown) and nginx.master_pid is not None:
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
    return conclude(findings, missing, ruled)


def _found(case: Case, nginx: Nginx, lines: list[ErrorEvent], time: str) -> Finding:
    last, limits = lines[-1], _limits(case, nginx)
    number = last.message.partition(" ")[0]
    full = f"all {number} connections" if is_number(number) else "all their connections"
    shown = [Evidence("nginx-log", last.where, f"{times_text(len(lines))} within {time}: {last.raw}")]
    if limits is not None:
        text = line_text(case.snapshot, nginx.node, limits.path, limits.line)
        where = file_line_text(case.snapshot, nginx.node, limits.path, limits.line)
        shown.append(Evidence("nginx-config", where, text))
    shown += _open_connections(case, nginx)
    return Finding(
        cause=CAUSE.id, variant=CAUSE.id, role="root", confidence="certain",
        summary=f"nginx's workers have used {full} that `worker_connections` allows, and refuse further ones "
                f"({times_text(len(lines))} within {time})",
        detail=(), routes=route_ids_of(case, nginx), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node,
        evidence=(*shown, *(e for j in case.failing_routes(nginx)[:2] for e in j.evidence[:1])),
        repairs=(_repair(case, nginx, limits, number),),
    )


def _limits(case: Case, nginx: Nginx) -> _Limits | None:
    """Return the limits that the files set now; None if the `events` block was not read."""
    main = case.snapshot.file(nginx.node, nginx.conf_path)
    paths = (nginx.conf_path, *(nginx.config.value.files if isinstance(nginx.config, Known) else ()))
    box = nginx.service.container if nginx.service is not None else None
    given = manager_of(nginx.service).limits().open_files if nginx.service is not None else 0
    is_capped = box is not None and not box.is_machine
    own = open_files_limit(main.data) if main is not None else 0
    files = min(own, given) if own and given and is_capped else own or given or _USUAL_FILES
    for path in paths:
        file = case.snapshot.file(nginx.node, path)
        found = connections_limit(file.data) if file is not None else None
        if found is not None:
            return _Limits(found[0], path, found[1], files, is_capped)
    return None


def _open_connections(case: Case, nginx: Nginx) -> list[Evidence]:
    """Return how many connections the kernel shows at nginx's own sockets."""
    ours = {nginx.master_pid, *nginx.worker_pids}
    held = [line for line in listeners_on(case.snapshot, nginx.node) if ours.intersection(pids_of(line))]
    count = sum(line.established for line in held)
    ports = ", ".join(dict.fromkeys(f"{line.port}" for line in held if line.established))
    return [Evidence("socket", f"port {ports}", f"{count} connections to nginx are open")] if count else []


def _repair(case: Case, nginx: Nginx, limits: _Limits | None, logged: str) -> Repair:
    if limits is None:
        return Repair(_ID, "manual", "raise worker_connections", (),
                      manual="raise worker_connections in nginx's `events` block, then run nginx -t and reload nginx; "
                             "fixer cannot do this: it could not read that block")
    if is_number(logged) and limits.connections > int(logged):
        return Repair(_ID, "safe", f"load the configuration, which allows {limits.connections} connections", (
            *check_and_reload_steps(case.snapshot, nginx),))
    wanted = max(_ENOUGH, limits.connections * 4)
    if limits.is_capped:
        wanted = min(wanted, limits.files)
    where = file_line_text(case.snapshot, nginx.node, limits.path, limits.line)
    if wanted <= limits.connections:
        return Repair(_ID, "manual", "raise worker_connections", (), manual=(
            f"nginx's container may open {limits.files} files, too few for more than {limits.connections} connections: "
            f"raise its ulimits (nofile) and worker_rlimit_nofile first, then worker_connections at {where}"))
    need = Need(INPUT_KEY, "value", f"how many connections a worker of nginx may have, now {limits.connections}",
                default=str(wanted), pattern="[1-9][0-9]{1,6}")
    chosen = case.inputs.get(INPUT_KEY, str(wanted))
    files = str(int(chosen) * 2) if not limits.is_capped and int(chosen) > limits.files else ""
    extra = f", and worker_rlimit_nofile {files}" if files else ""
    summary = f"worker_connections {chosen}{extra}"
    place = locate_editable_file(case.snapshot, nginx.node, limits.path)
    made = place if isinstance(place, NotEditable) else _edited(nginx, limits, place, chosen, files)
    if isinstance(place, NotEditable) or isinstance(made, NotEditable):
        why = made.reason if isinstance(made, NotEditable) else ""
        return Repair(_ID, "manual", summary, (), (need,),
                      f"set {summary} at {where}, then run nginx -t and reload nginx; fixer cannot do this: {why}")
    step = WriteFile(place.node, place.path, place.data, made, summary, in_place=place.in_place)
    return Repair(_ID, edit_risk((place,), "safe"), f"{summary} at {where}{overwriters_text((place,))}",
                  (step, *check_and_reload_steps(case.snapshot, nginx)), (need,))


def _edited(nginx: Nginx, limits: _Limits, place: EditableFile, connections: str, files: str) -> bytes | NotEditable:
    made = set_connections(place, connections)
    if isinstance(made, NotEditable) or not files:
        return made
    if limits.path != nginx.conf_path:
        return NotEditable(f"its `events` are in {limits.path}, worker_rlimit_nofile belongs into {nginx.conf_path}")
    return set_open_files(made, files)


CAUSE = Cause(
    id="worker-connections-exhausted",
    title="a worker of nginx has no place for further connections",
    family="beyond the guide",
    variants=("worker-connections-exhausted",),
    verdict=judge,
    page=__doc__,
)
