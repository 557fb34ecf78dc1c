"""The limit of open files, raised for a server, or for nginx's workers in its main file or its container."""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.evidence import file_line_text
from fixer.analysis.nginx_process import route_ids_of
from fixer.formats.numbers import times_text
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers.systemd_steps import unit_action
from fixer.model.diagnosis import Effect, Finding, Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx, Service
from fixer.repairs.file_edits import (
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    locate_editable_file,
    overwriters_text,
)
from fixer.repairs.resource_limits import ResourceLimit, raise_limit_repair

with lazy_imports():  # not needed in most looks
    from fixer.repairs.start_nginx import wait_for_nginx_steps
    from fixer.repairs.worker_limits import open_files_limit, set_open_files

_DEFAULT_LIMIT = 65536
_CONTAINER_LIMIT = 8192     # a container's limit cannot exceed the engine's own
_OPEN_FILES = ResourceLimit("raise-open-files", "limit of open files", "LimitNOFILE",
                 ("ulimits.nofile", "ulimits.nofile.soft", "ulimits.nofile.hard"))


def enough_files(service: Service) -> int:
    """Return how many files are enough for most servers."""
    return _DEFAULT_LIMIT if service.container is None else _CONTAINER_LIMIT


def raise_open_files_repair(case: Case, service: Service, place: Endpoint, need: Need) -> Repair:
    """Return the repair that lets a server open more files."""
    return raise_limit_repair(case, service, place, _OPEN_FILES, need)


def worker_finding(case: Case, nginx: Nginx, lines: list[ErrorEvent]) -> Finding:
    """Return the finding for workers that log that they may open no more files."""
    last = lines[-1]
    effects: tuple[Effect, ...] = ("looks-busy", "stale-config")
    if nginx.master_pid is not None and not nginx.worker_pids:
        effects = (*effects, "nginx-stops")     # no worker gets the files that it needs to start
    return Finding(
        cause="fd-exhausted", variant="worker-fd-limit", role="root", confidence="certain",
        summary=f"nginx's workers have reached their limit of open files ({times_text(len(lines))} within a minute)",
        detail=(),
        routes=route_ids_of(case, nginx), service=None if nginx.service is None else nginx.service.name,
        node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, f"{times_text(len(lines))}: {last.raw}"),
                  *(e for j in case.failing_routes(nginx)[:2] for e in j.evidence[:1])),
        repairs=(_raise_worker_repair(case, nginx),),
        effects=effects,
    )


def _most_files(nginx: Nginx) -> int:
    """Return the most that nginx can give a worker, 0 without such a limit. Without CAP_SYS_RESOURCE that is the hard
    limit of the master, whatever worker_rlimit_nofile says."""
    box = nginx.service.container if nginx.service is not None else None
    return nginx.file_limits[1] or (box.nofile_limit if box is not None and not box.is_machine else 0)


def _outer_limit(case: Case, nginx: Nginx, most: int) -> int:
    """Return that limit if the workers have all of it already, else 0."""
    main = case.snapshot.file(nginx.node, nginx.conf_path)
    own = (open_files_limit(main.data) if main is not None else 0) or nginx.file_limits[0]
    return most if not own or own >= most else 0


def _raise_outer_repair(case: Case, nginx: Nginx, service: Service, limit: int) -> Repair:
    """Return the repair that gives nginx a higher limit: its container is recreated, its unit restarted."""
    enough = _CONTAINER_LIMIT if service.unit is None else _DEFAULT_LIMIT
    need = Need("open_files", "value", f"how many files {service.name} may open, now {limit}",
                default=str(max(enough, limit * 4)), pattern="[1-9][0-9]{1,6}")
    restart = () if service.unit is None else (unit_action(service, service.unit, "restart"),)
    return raise_limit_repair(case, service, (*restart, *wait_for_nginx_steps(nginx)), _OPEN_FILES, need)


def _raise_worker_repair(case: Case, nginx: Nginx) -> Repair:
    most = _most_files(nginx)
    outer = _outer_limit(case, nginx, most)
    if outer and nginx.service is not None:
        return _raise_outer_repair(case, nginx, nginx.service, outer)
    plenty = str(min(_DEFAULT_LIMIT, most or _DEFAULT_LIMIT))
    need = Need("worker_files", "value", "how many files a worker of nginx may open", default=plenty,
                pattern="[1-9][0-9]{1,6}")
    chosen = case.inputs.get(need.key, plenty)
    summary = f"worker_rlimit_nofile {chosen}"
    where = file_line_text(case.snapshot, nginx.node, nginx.conf_path)
    here = locate_editable_file(case.snapshot, nginx.node, nginx.conf_path)
    made: bytes | NotEditable = here if isinstance(here, NotEditable) else set_open_files(here.data, chosen)
    if isinstance(here, NotEditable) or isinstance(made, NotEditable):
        why = made.reason if isinstance(made, NotEditable) else ""
        return Repair("raise-worker-files", "manual", summary, (), (need,),
                      f"set {summary} in {where}; fixer cannot do this: {why}")
    step = WriteFile(here.node, here.path, here.data, made, summary, in_place=here.in_place)
    return Repair("raise-worker-files", edit_risk((here,), "safe"), f"{summary} in {where}{overwriters_text((here,))}",
                  (step, *check_and_reload_steps(case.snapshot, nginx)), (need,))
