"""nginx itself fails in the middle of a request: the kernel refuses it memory or a call, or it finds a defect.
Its log says so at the level crit or alert (500, or a page that ends early). The backend is not at fault.

By hand
  grep -F -e '[crit]' -e '[alert]' /var/log/nginx/error.log | tail    # which call, and which errno?
  grep -E 'address space|data size' /proc/$(cat /run/nginx.pid)/limits    # does a limit on nginx leave it no memory?
  free -m; cat /proc/sys/fs/file-nr                                # or is the whole machine short of it?
  systemctl show nginx -p LimitAS -p LimitDATA -p MemoryMax        # who set that limit
  systemctl edit nginx; systemctl restart nginx                    # [Service] LimitAS=infinity
  nginx -V                                                         # a defect: which version, which modules?

What it is
  Before and while it hands a request on, nginx asks the kernel for memory, sockets, files and options. What is refused
  there is nobody's answer: a limit on the process (LimitAS=, LimitDATA=, ulimit), a kernel without memory for sockets,
  a security policy. Or a module, mostly a foreign one, hands nginx what it cannot send (`bad buf in output chain`).

Why nginx says 500
  `malloc(524288) failed (12: Cannot allocate memory)`, `socket() failed (105: No buffer space available)`,
  `setsockopt(…) failed`, `pread() "…" failed (5: Input/output error)`: the request ends with 500, or with 502 if a
  connection was there. After the first part of an answer only the log says why the page ends.

How it is told apart
  nginx names its own call. A limit of open files (`24`), of connections, of ports (`99`) or of disk space has causes of
  its own: fd-exhausted, worker-connections-exhausted, ephemeral-ports-exhausted, disk-full. Where one buffer of the
  configuration is huge, that is nginx-down. What nginx ignores, and what visitors break, is no failure.

The repair and its safety
  give-nginx-memory, free-the-call, report-defect (manual): the message names the call, the errno and the limits that
  nginx's unit sets. How much memory nginx may have, and which module goes, is for a person.

Variants
  nginx-short-of-memory  the kernel refuses nginx memory, for a request or for a socket
  nginx-call-failed      the kernel refuses nginx another call
  nginx-defect           nginx, or a module of it, finds itself in a state that must not be
"""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import shorten
from fixer.analysis.logged_failures import lasting_lines
from fixer.analysis.nginx_errors import recent_lines, recent_lines_by_route
from fixer.analysis.nginx_process import route_ids_of
from fixer.formats.numbers import times_text
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence, Unknown
from fixer.model.service import UnitSetting
from fixer.model.snapshot import ErrorEvent, Nginx
from fixer.nginx.error_kinds import OWN_FAILURE, ends_request

_LIMITS = ("LimitAS", "LimitDATA", "LimitRSS", "MemoryMax", "MemoryLimit", "LimitNPROC", "SystemCallFilter")


def judge(case: Case) -> Verdict:
    """Judge each nginx: did a call of its own just end a request?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled = list(case.observed)
    for nginx in case.snapshot.nginxes:
        recent = [event for event in recent_lines(case, nginx, OWN_FAILURE) if ends_request(event)]
        lines = recent or lasting_lines(case, nginx, OWN_FAILURE)
        if lines and nginx.master_pid is not None:
            findings.append(_found(case, nginx, lines, "a minute" if recent else "15 minutes"))
        elif isinstance(nginx.errors, Unknown) and nginx.master_pid is not None:
            missing.append(f"the error log of nginx on {nginx.node}: {nginx.errors.reason}")
    return conclude(findings, missing, ruled)


def _found(case: Case, nginx: Nginx, lines: Sequence[ErrorEvent], time: str) -> Finding:
    last = lines[-1]
    variant, what, repair = _reading(nginx, last)
    routes = tuple(recent_lines_by_route(case, nginx, OWN_FAILURE)) or route_ids_of(case, nginx)
    limits = _limits_of(nginx)
    failing = case.failing_routes(nginx)
    return Finding(
        cause=CAUSE.id, variant=variant, role="root", confidence="certain" if failing else "likely",
        summary=(f"nginx itself ends requests, {what}: {shorten(last.message, 120)} "
                 f"({times_text(len(lines))} within {time})"),
        detail=tuple(f"{s.key}={s.value} limits it" for s in limits), routes=routes,
        service=None if nginx.service is None else nginx.service.name, node=nginx.node,
        evidence=(Evidence("nginx-log", last.where, f"{times_text(len(lines))} within {time}: {last.raw}"),
                  *(s.source for s in limits), *(e for judged in failing[:2] for e in judged.evidence[:1])),
        repairs=(repair,),
    )


def _limits_text(nginx: Nginx) -> str:
    """Return where its unit limits it, else where a limit can stand."""
    told = [f"{s.key}={s.value} ({s.source.where})" for s in _limits_of(nginx)]
    return f": {', '.join(told)}" if told else (
        " (LimitAS=, LimitDATA= of its unit, `ulimit -v` or `-d` of what starts it, mem_limit of its container)")


def _limits_of(nginx: Nginx) -> tuple[UnitSetting, ...]:
    return () if nginx.service is None else tuple(s for s in nginx.service.settings if s.key in _LIMITS)


def _reading(nginx: Nginx, event: ErrorEvent) -> tuple[str, str, Repair]:
    """Return the variant of a line, what it says in short, and the repair."""
    who = "nginx" if nginx.service is None else nginx.service.name
    call = event.message.partition(" ")[0]
    if event.kind == "no-memory":
        return "nginx-short-of-memory", "since the kernel gives it no memory", Repair(
            "give-nginx-memory", "manual", f"give {who} memory", (), manual=(
                f"raise the limit on {who}{_limits_text(nginx)}, then restart it. Without a limit the machine itself "
                "is short of memory"))
    if "(" in call and event.errno is not None:
        return "nginx-call-failed", "since the kernel refuses a call", Repair(
            "free-the-call", "manual", f"let {who} use {call}", (), manual=(
                f"{call} of nginx's workers ends with errno {event.errno}: look at the disk (5), at what a security "
                f"policy or the sandbox of {who} denies (1, 13), and at the kernel's log (dmesg) of that moment"))
    return "nginx-defect", "since it finds a defect of its own", Repair(
        "report-defect", "manual", "update nginx or the module", (), manual=(
            "update nginx and its foreign modules (`nginx -V` lists them), or take out the module that was added last: "
            "no configuration brings this about by itself. If it stays, report it with that line"))


CAUSE = Cause(
    id="nginx-own-failure",
    title="nginx itself fails in the middle of requests",
    family="beyond the guide",
    variants=("nginx-short-of-memory", "nginx-call-failed", "nginx-defect"),
    verdict=judge,
    page=__doc__,
)
