"""nginx itself does not run, or it runs and serves no request.
Visitors see "connection refused", or the 502 of a load balancer in front. Check the configuration, then start nginx.

By hand
  nginx -t                                              # must pass before a start
  systemctl status nginx; ss -ltnp 'sport = :80'        # why did it end? who holds the port?
  systemctl enable --now nginx                          # or: docker start NGINX
  ps -o pid,stat,args -C nginx; kill -CONT PID          # T: stopped
  nginx -T 2>/dev/null | grep -n buffer                 # `malloc(…) failed`: is one of them in megabytes?
  grep -E 'address space|data size' /proc/PID/limits    # the limits of nginx's master

What it is
  The reverse proxy was stopped, was never started after the boot, or could not start: its configuration is refused
  (see nginx-config-invalid), another process holds its port, or its container's file system is read-only and leaves it
  no folder to write to. Or its master is there, but its workers are stopped by a signal, or end again and again. Or it
  serves, and gets no memory for a request (500): its configuration asks for buffers of megabytes where kilobytes were
  meant, more than a limit on it (LimitAS=, LimitDATA=, ulimit) leaves.

Why visitors see an error
  Nothing listens on the web port, so the browser says "connection refused"; a load balancer or CDN in front of this
  nginx turns that into its own 502.

How it is told apart
  There is no master process, or its workers are in state T. Other causes leave nginx running and answering 502 or 504
  by itself. nginx's log names the size that it could not get (`malloc(134217728) failed (12: Cannot allocate memory)`):
  only where a buffer of its configuration has that very size, and it is a huge one, is it the cause. A host that is
  short of memory fails in small pieces, and is not told so.
  A worker that ended once and was replaced, and an nginx that runs outside its unit, are advice: pages work.

The repair and its safety
  start-nginx (safe): the configuration is checked first; then its unit or container is started (and enabled at boot
  where it was not), or, where nobody manages it, the binary itself. One that was built by hand is asked what it reads
  (`nginx -V`); where no unit starts it, the command is told. What SELinux denied to its last start (a port to listen
  on, a file that was moved there) a person allows first: the message names semanage or restorecon.
  free-port (disruptive): where another process holds the port, nothing is stopped unless a person names it
  (`--set stop=NAME`): which of the two is meant, no machine knows.
  give-nginx-folders (disruptive): a tmpfs in the compose file for the folders that nginx must write to.
  smaller-nginx-buffers (safe): the huge buffers by a thousandth (128m to 128k), nginx -t, a reload.
  continue-process (safe): SIGCONT to stopped workers; a container is restarted instead (disruptive).

Variants
  nginx-stopped           nginx was stopped, or was not started after the boot
  nginx-port-taken        another process holds the port that nginx listens on
  readonly-rootfs-nginx   the file system of nginx's container is read-only
  worker-crash            the workers end again and again
  worker-stopped          a signal stopped the workers
  nginx-out-of-memory     nginx gets no memory for its buffers
  nginx-unmanaged-master  nginx runs outside its unit, so systemctl does not control it (advice)
"""

from __future__ import annotations

from fixer.analysis.case import Case
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import address_text, find_node, listener_evidence, listeners_on, log_evidence, shorten
from fixer.analysis.nginx_process import has_container_ended, listen_addresses_of, route_ids_of
from fixer.analysis.run_log import is_restarting, lines_of, message_of
from fixer.analysis.service_state import is_start_queued, run_state_of, state_evidence
from fixer.formats.addresses import is_wildcard
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Finding, Repair, Role, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.plan import ContainerAction, Step
from fixer.model.snapshot import Container, Listener, Nginx

with lazy_imports():  # only for what is found
    from fixer.analysis.dependency.start_order import (
        depends_on_note,
        explain_never_started,
        queue_evidence,
        queued_start_text,
    )
    from fixer.causes.nginx_down.lost_workers import (
        ended_workers_finding,
        judge_refused_memory,
        lost_workers_finding,
        stopped_workers_finding,
        unmanaged_master_finding,
    )
    from fixer.causes.nginx_down.refused_start import (
        allow_by_selinux_repair,
        allow_start_repair,
        current_denied_line,
        denied_text,
        dependency_text,
        missing_listen_address,
        missing_name_line,
        outdated_error_text,
        selinux_denied_line,
        selinux_evidence,
    )
    from fixer.redaction.commands import redact_argv
    from fixer.repairs.container_settings import nginx_tmpfs_repair, read_only_error_line
    from fixer.repairs.container_start import is_port_free_now, port_publisher, refused_start_reason
    from fixer.repairs.start_nginx import free_port_repair, is_looping_backend, start_nginx_steps, wait_for_nginx_steps
    from fixer.repairs.start_service import end_wait_repair

REPAIR_ID = "start-nginx"
_RUNNING_CHECKS = (stopped_workers_finding, lost_workers_finding, ended_workers_finding, unmanaged_master_finding)


def judge(case: Case) -> Verdict:
    """Judge each nginx: is there a master process, and do its workers work?"""
    findings: list[Finding] = []
    missing: list[str] = []
    ruled: list[Evidence] = []
    for nginx in case.snapshot.nginxes:
        if nginx.master_pid is not None:
            ruled.append(Evidence("nginx-process", f"pid {nginx.master_pid}", f"master of {nginx.binary} runs"))
            findings += filter(None, (look(case, nginx) for look in _RUNNING_CHECKS))
            if isinstance(nginx.errors, Known) and any(e.kind == "no-memory" for e in nginx.errors.value):
                outcome = judge_refused_memory(case, nginx)
                findings += [outcome] if isinstance(outcome, Finding) else []
                missing += [outcome] if isinstance(outcome, str) else []
        elif _is_unobservable(case, nginx):
            missing.append(f"processes of {nginx.node}")
        elif (other := _renamed_master_text(case, nginx)) is not None:
            missing.append(f"whether {other}, which has the process title of nginx, is the nginx of {nginx.node}")
        elif (unused := _unused_unit_text(nginx)):
            missing.append(unused)
        elif case.snapshot.is_cut and (nginx.service is None or run_state_of(nginx.service) == "running"):
            missing.append("whether nginx runs: not all questions were answered in time")
        else:
            findings.append(_found(case, nginx))
    if not case.snapshot.nginxes:
        missing.append("where nginx is")
    return conclude(findings, missing, ruled)


def _is_unobservable(case: Case, nginx: Nginx) -> bool:
    """Return whether the process table is unreadable and no manager says that nginx is down."""
    if nginx.service is not None and run_state_of(nginx.service) != "running":
        return False
    node = find_node(case.snapshot, nginx.node)
    return node is None or not isinstance(node.processes, Known)


def _unused_unit_text(nginx: Nginx) -> str:
    """Explain a disabled unit whose files hand nothing on, as a package installs it. Starting it would serve nothing
    and take the ports of the intended nginx, built by hand with its own folder."""
    unit = nginx.service.unit if nginx.service is not None else None
    if unit is None or unit.unit_file_state != "disabled" or unit.active_state == "failed" or \
            not isinstance(nginx.config, Known) or nginx.config.value.routes or nginx.config.value.problems:
        return ""
    return (f"which nginx should run on {nginx.node}: {unit.name} is stopped and disabled at boot, and "
            f"{nginx.conf_path} has no route; fixer finds an nginx that was started with -c or -p only while it runs")


def _renamed_master_text(case: Case, nginx: Nginx) -> str | None:
    """Return a root process with the title of nginx's master but another name: a renamed or rebuilt nginx.

    Any program can set that title, so it gets no commands. But with it, the packaged nginx is not just down.
    """
    node = find_node(case.snapshot, nginx.node)
    for process in node.processes.value if node is not None and isinstance(node.processes, Known) else ():
        if process.uid == 0 and process.argv and process.argv[0].startswith("nginx: master process"):
            exe = process.exe.or_else("program unknown")
            return f"pid {process.pid} ({exe})"
    return None


def _was_stopped_with(case: Case, nginx: Nginx, box: Container | None) -> bool:
    """Return whether it waits for a container that does not run. Beside one that ends again and again its own end is
    another fault if somebody stopped it: over a name that does not resolve it would have ended with 1."""
    needed = dependency_text(case, nginx)
    is_stopped = box is not None and box.status == "exited" and box.exit_code == 0
    return needed != "" and not (is_stopped and is_looping_backend(case, needed))


def _found(case: Case, nginx: Nginx) -> Finding:
    taken = conflicting_listeners(case, nginx)
    nameless = missing_name_line(nginx)
    unwritable = read_only_error_line(nginx)
    homeless = missing_listen_address(case.snapshot, nginx) if not taken else None
    denied = current_denied_line(nginx) if not taken and unwritable is None else None
    forbidden = selinux_denied_line(case, nginx) if not taken else None
    log_line = nameless or unwritable or (homeless[1] if homeless is not None else None) or denied or forbidden
    service = nginx.service
    box = service.container if service is not None else None
    waits = explain_never_started(case, box)
    refused = refused_start_reason(box) if box is not None and waits is None else None
    was_taken, holder = False, None
    if refused is not None and box is not None and refused[1] == "ports":
        was_taken, holder = is_port_free_now(case.snapshot, box), port_publisher(case.snapshot, box)
        refused = None if was_taken else refused if holder is None else (
            f"{refused[0].removesuffix(' by something else')} by container {holder.name}", "ports")
    evidence = (
        Evidence("nginx-process", nginx.node, f"no master process of {nginx.binary or 'nginx'}"),
        *((state_evidence(service),) if service is not None else ()),
        *((state_evidence(holder),) if holder is not None else ()),
        *(listener_evidence(case.snapshot, line) for line in taken[:1]),
        *((log_evidence(log_line.text, log_line.where),) if log_line is not None else ()),
        *((waits[2],) if waits is not None else ()),
        *(homeless[2] if homeless is not None else ()),
    )
    role: Role = "contributing" if nameless is not None or _was_stopped_with(case, nginx, box) else "root"
    summary = "nginx does not run"
    if taken:
        port = address_text(taken[0].address, taken[0].port)
        summary += f": another process holds {port}"
    elif unwritable is not None:
        summary += ": its container's file system is read-only, and nginx has no writable folder"
    elif homeless is not None:
        summary += f": it is configured to listen on {homeless[0]}, but {nginx.node} does not have that address"
    elif waits is not None:
        summary += f": Compose created its container but did not start it, because {waits[0]}"
    elif was_taken:
        summary += ": at its last start another container held a port that it publishes; no container holds it now"
    elif refused is not None:
        summary += f": its container could not start, because {refused[0]}"
    elif is_start_queued(service):
        evidence = (*evidence, *queue_evidence(service))
        summary += f": {queued_start_text(service)}"
    elif denied is not None:
        summary += f": its container denies a call: {denied_text(denied)}"
    elif forbidden is not None:
        evidence = (*evidence, *selinux_evidence(case, nginx))
        summary += f": root was denied a call at its last start, and SELinux is enforcing: {denied_text(forbidden)}"
    held = bool(taken) or (refused is not None and refused[1] == "ports")
    variant = "nginx-port-taken" if held else "readonly-rootfs-nginx" if unwritable is not None else "nginx-stopped"
    return Finding(
        cause=CAUSE.id, variant=variant, role=role, confidence="likely" if _has_no_unit(case, nginx) else "certain",
        summary=summary, detail=depends_on_note(case, box) if waits is None else (), routes=route_ids_of(case, nginx),
        service=None if service is None else service.name, node=nginx.node, evidence=evidence,
        repairs=(_dependency_repair(waits[1]) if waits is not None else _container_repair(box, *refused) if (
            refused is not None and box is not None) else _listen_address_repair(homeless[0]) if homeless is not None
            else _repair(case, nginx, taken),),
        effects=("node-ends",) if has_container_ended(case, nginx) else None,
    )


def _dependency_repair(todo: str) -> Repair:
    return Repair(REPAIR_ID, "manual", "bring up what nginx's container waits for", (), manual=todo)


def _listen_address_repair(listen: str) -> Repair:
    host = listen.rpartition(":")[0]
    manual = (f"add {host} again (ip address add, or keepalived, which moves it between machines), or correct the "
              "listen line. If the address appears after nginx at boot, order nginx.service After= the unit that adds "
              "it, or allow the bind (sysctl net.ipv4.ip_nonlocal_bind=1). Then start nginx")
    return Repair(REPAIR_ID, "manual", "give nginx an address to listen on", (), manual=manual)


def _container_repair(box: Container, problem: str, key: str) -> Repair:
    """Return the manual repair of what made the engine refuse the start; it would refuse again."""
    by_whom = "find what holds the port (docker ps --filter publish=PORT, ss -ltnp); free it, or publish another port"
    todo = by_whom if key == "ports" else f"correct {key or 'that'} in the definition of {box.name}"
    todo = f"restore it, or {todo}" if box.missing_sources else todo
    again = f"docker compose up -d {box.service}" if box.project and box.service else f"docker start {box.name}"
    manual = f"{problem[0].upper()}{problem[1:]}: {todo}; then {again}"
    return Repair(REPAIR_ID, "manual", "let nginx's container start", (), manual=manual)


def conflicting_listeners(case: Case, nginx: Nginx) -> tuple[Listener, ...]:
    """Return other programs' listeners on nginx's addresses; nginx has none while it is down."""
    wanted = {(listen.address, listen.port) for listen in listen_addresses_of(nginx) if listen.port}
    ports = {port for _, port in wanted}
    return tuple(
        line for line in listeners_on(case.snapshot, nginx.node)
        if line.family != "unix" and line.port in ports
        and (is_wildcard(line.address) or any(
            is_wildcard(address) or address == line.address for address, port in wanted if port == line.port))
    )


def _repair(case: Case, nginx: Nginx, taken: tuple[Listener, ...]) -> Repair:
    if taken:
        return free_port_repair(case, taken[0], start_nginx_steps(case, nginx), "then start nginx")
    if nginx.service is not None and run_state_of(nginx.service) == "masked":
        manual = f"{nginx.service.name} is masked: if nginx should run, unmask it, then start it"
        return Repair(REPAIR_ID, "manual", "start nginx", (), manual=manual)
    unwritable = read_only_error_line(nginx)
    if unwritable is not None:
        return nginx_tmpfs_repair(case, nginx, unwritable)
    denied = current_denied_line(nginx)
    if denied is not None and nginx.service is not None and nginx.service.container is not None:
        return allow_start_repair(nginx.service.container, denied, REPAIR_ID)
    forbidden = selinux_denied_line(case, nginx)
    if forbidden is not None:
        return allow_by_selinux_repair(nginx, forbidden, REPAIR_ID)
    if is_start_queued(nginx.service):
        return end_wait_repair(nginx.service)
    waited_for = dependency_text(case, nginx)
    if waited_for:
        manual = "nginx exits at its start while that name does not resolve"
        return Repair(REPAIR_ID, "manual", "start nginx", (), manual=manual, after=waited_for)
    if nginx.service is not None and nginx.service.container is not None and (
            run_state_of(nginx.service) in ("running", "looping")):
        last = lines_of(nginx.service)[-1:]
        last_text = shorten(message_of(last[0]).strip(), 200) if last else "(no line)"
        again = is_restarting(nginx.service)
        box = nginx.service.container
        over = outdated_error_text(case, nginx, box, last[0]) if again and "[emerg]" in last_text else ""
        if over:
            begun: tuple[Step, ...] = (ContainerAction(box.id, box.name, "restart", box.status),
                                       *wait_for_nginx_steps(nginx))
            return Repair(REPAIR_ID, "safe", f"start nginx: {over} after its last try", begun)
        how = "restarts repeatedly and exits at once" if again else (
            f"runs without an nginx process{_first_process_text(case, nginx.node)}")
        manual = f"{nginx.service.name} {how}; its log ends with: {last_text}"
        return Repair(REPAIR_ID, "manual", "start nginx", (), manual=manual)
    if _has_no_unit(case, nginx):
        manual = (f"no unit starts {nginx.binary}: run `{nginx.binary} -t`, then `{nginx.binary}`. Create a unit with "
                  "that command, or nginx does not start at boot")
        return Repair(REPAIR_ID, "manual", "start nginx", (), manual=manual)
    steps = start_nginx_steps(case, nginx)
    if not steps:
        name = nginx.service.name if nginx.service is not None else nginx.node
        return Repair(REPAIR_ID, "manual", "start nginx", (), manual=f"start {name} with the tool that manages it")
    return Repair(REPAIR_ID, "safe", "start nginx", steps)


def _first_process_text(case: Case, name: str) -> str:
    """Return what the container's first process is and what that runs now: a start script may wait before nginx."""
    node = find_node(case.snapshot, name)
    processes = node.processes.or_else(()) if node is not None else ()
    first = next((process for process in processes if process.pid == 1), None)
    if first is None:
        return ""
    newest = max((p for p in processes if p.ppid == 1), key=lambda p: (p.started_at, p.pid), default=None)
    now = f", which runs `{shorten(' '.join(redact_argv(list(newest.argv))), 80)}` now" if newest is not None else ""
    return f" (its first process is `{shorten(' '.join(redact_argv(list(first.argv))), 120)}`{now})"


def _has_no_unit(case: Case, nginx: Nginx) -> bool:
    """Return whether nginx was built by hand on a machine: known by its path only, without a unit."""
    node = find_node(case.snapshot, nginx.node)
    return nginx.service is None and node is not None and node.kind == "machine" and node.init == "systemd" \
        and nginx.binary.startswith("/usr/local/")


CAUSE = Cause(
    id="nginx-down",
    title="nginx itself does not run",
    family="nginx configuration",
    variants=(
        "nginx-stopped", "nginx-port-taken", "readonly-rootfs-nginx", "worker-crash", "worker-stopped",
        "nginx-out-of-memory", "nginx-unmanaged-master",
    ),
    verdict=judge,
    page=__doc__,
)
