"""The backend does not run: it was stopped, never started after the boot, or ended cleanly and stayed away.
nginx finds no listener (`111: Connection refused`, 502). Start the service, and enable it for the next boot.

By hand
  systemctl status UNIT; systemctl enable --now UNIT    # masked: first systemctl unmask UNIT
  systemctl enable --now NAME.socket                    # a service that its socket starts
  docker ps -a; docker start CONTAINER                  # no container at all: docker compose up -d SERVICE
  supervisorctl status; supervisorctl start PROGRAM     # no such process: supervisorctl update

What it is
  The service that belongs behind the route exists and does not run, and its manager reports no failure. This is the
  most common cause.

Why nginx says 502
  Nothing listens where nginx connects: `connect() failed (111: Connection refused) while connecting to upstream`. The
  address of a stopped container is gone: first `upstream timed out` (504), then `113: No route to host` (502).

How it is told apart
  wrong-port: the service runs, and listens elsewhere. crash-*: its manager says failed, and its log says why; where no
  log does and somebody stopped it since, a start shows it. Of what cron, rc.local or an init script started, no
  manager says so: the file that its output goes to does. nginx-down: nginx itself does not answer.

The repair and its safety
  start-service (safe): start it, and where no boot starts it, let one: enabled where it is disabled, a link as of
  `systemctl add-wants` where its unit does not say for what; then wait until it accepts. Undo takes all of it back.
  fixer lets supervisord read a program whose file came after its start (`supervisorctl update`). If no include names
  that file (*.ini where the include says *.conf), fixer first adds its path to supervisord's own file.
  If only its code says the port, that code is read; a person names one of several (`--set backend=UNIT`).
  If another unit of that name (its version or colour aside) runs or starts at boot, it may replace a disabled one: a
  person names one (`--set backend=UNIT`), and nginx is pointed at it.
  unmask-service (disruptive): somebody masked the unit on purpose, so a person names it (`--set unmask=UNIT`); then it
  is unmasked and started. meet-condition (disruptive): a person chooses to make the file that the condition asks for,
  or to drop the condition; if it is met now, a start is enough. restart-always (disruptive): for a program that ends
  with success, which Restart=on-failure does not start again.
  start-as-unit (disruptive): a reboot ends what was started by hand (nohup, a shell). If `fixer learn`
  remembered it while it was well, it starts again as a systemd unit: the same command, folder and user, with variables
  from the same files (a secret that no file holds is yours to give). Undo stops and removes the unit.
  start-as-at-boot (disruptive): a line of cron that is nothing but a program is done again: as its user, as a unit that
  the next boot forgets; then cron starts it as before. Undo stops and removes the unit.
  Otherwise fixer names the line that starts it, and its command: of cron, of rc.local, of a unit of a user's own
  systemd, of a run script of runit, s6 or daemontools.
  An init script's unit counts as active whatever becomes of its program: start-service (safe) restarts it where nothing
  of it runs. restart-service (disruptive): a container whose own script puts the server into the background and then
  becomes nginx runs that script again, where its log shows that the server had served and did not fail.
  create-service (disruptive): a compose service without a container is created from its files; undo removes it.

Where the page answers all the same
  If something else answers (an error page sent as 200, a cache, a login, a container with the old address), the route
  is degraded. A member that nginx passes over, or one of several addresses of a variable, is advice.

Variants
  backend-not-running         somebody stopped the service, or nothing started it
  unit-disabled-after-reboot  no boot starts the service: its unit is disabled
  unit-masked                 the unit is masked, so nothing can start it
  start-condition-unmet       a condition of the unit is not met; systemd skips the start and reports no error
  clean-exit-not-restarted    the program ended with success, and Restart=on-failure does not start it again
  container-stopped           the container was stopped, or ended, or was never created
"""

from __future__ import annotations

from fixer.analysis.case import Case, FailingAddress, PortOwner
from fixer.analysis.cause import Cause, conclude, for_each_failing_address
from fixer.analysis.evidence import bindings_of, config_evidence, endpoint_text, no_listener_evidence, shorten
from fixer.analysis.exits.failed_run import has_missing_mount_source
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.ownership.configured import MAX_CANDIDATES, code_choice_finding, configured_owner
from fixer.analysis.route_verdict import is_closed, is_confirmed_closed
from fixer.analysis.run_log import (
    clean_exit_evidence,
    has_exited_by_itself,
    has_log,
    skipped_by_condition,
    was_asked_to_stop,
    was_ended_by_person,
)
from fixer.analysis.service_state import is_socket_activated, run_state_of, state_evidence
from fixer.causes.backend_down.unclaimed_address import (
    judge_boot_entry,
    judge_ownerless,
    skipped_endpoint_findings,
)
from fixer.causes.backend_down.unmanaged_start import ended_in_background, restarting_program_finding
from fixer.findings.configured_address import differing_part
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.managers import manager_of, starter_of
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.plan import Step
from fixer.model.snapshot import Service
from fixer.repairs.boot_enablement import (
    boot_details,
    boot_state_text,
    enable_at_boot_text,
    is_active_without_process,
    is_single_command_oneshot,
)
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.analysis.dependency.start_order import depends_on_note
    from fixer.analysis.ownership.resolve import candidate_owners, is_occupied_by_stranger
    from fixer.causes.backend_down.condition_or_mask import (
        assertion_repair,
        condition_evidence,
        condition_repair,
        failed_assertion,
        mask_evidence,
        mask_repair,
        unmet_condition,
    )
    from fixer.causes.backend_down.learned_start import find_missing_backend, learned_finding
    from fixer.causes.backend_down.manager_state import (
        error_exit_finding,
        explain_lost_server,
        finding_without_socket,
        is_stopped_silently,
        missing_socket_line,
        ordering_cycle_finding,
        supervisord_error_evidence,
        supervisord_fix_text,
        tell_silent_failure,
    )
    from fixer.causes.backend_down.replaced_unit import find_successors, which_unit_finding
    from fixer.causes.backend_down.stopped_container import (
        configure_server_repair,
        has_only_idle_programs,
        next_up_finding,
        uncreated_findings,
    )
    from fixer.managers.supervisord_steps import failed_supervisord_unit
    from fixer.managers.systemd_steps import is_socket_down
    from fixer.repairs.start_service import (
        restart_steps,
        start_steps,
    )
    from fixer.repairs.write_variables import write_drop_in

NOT_RUNNING_VARIANT = "backend-not-running"
_START_ID = "start-service"


def judge(case: Case) -> Verdict:
    """Judge each failing address: is its service stopped without a failure?"""
    findings, missing, ruled = for_each_failing_address(case, _judge_address)
    told = _joined_by_service(findings)
    if case.snapshot.compose is not None and case.snapshot.compose.uncreated:
        gone = uncreated_findings(case)
        named = {route for found in gone for route in found.routes}
        told = [*(found for found in told if found.service is not None or not named.issuperset(found.routes)), *gone]
    if any(is_confirmed_closed(endpoint) for endpoint in case.snapshot.endpoints):
        told += skipped_endpoint_findings(case)
    return conclude(told, missing, ruled)


def _joined_by_service(findings: list[Finding]) -> list[Finding]:
    """Return one finding for each service, with the routes and the evidence of all."""
    found: dict[str, Finding] = {}
    for new in findings:
        key = f"{new.node}/{new.service}/{new.summary if new.service is None else ''}"
        found[key] = found[key].joined_with(new) if key in found else new
    return list(found.values())


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    endpoint = trouble.endpoint
    text = endpoint_text(endpoint)
    closed = is_closed(endpoint)
    if closed and (learned := _learned_finding(case, trouble)) is not None:
        return learned
    found = [owner for owner in candidate_owners(case, trouble) if not owner.needs_choice]
    if len(found) > 1:
        asked = code_choice_finding(case, endpoint, found,
                                    [_stopped_finding(case, trouble, o) for o in found[:MAX_CANDIDATES]])
        return asked or f"which of {', '.join(owner.service.name for owner in found)} should listen at {text}"
    if not found:
        return judge_ownerless(case, trouble)
    owner = found[0]
    if owner.service.is_idle_boot_entry:
        return judge_boot_entry(case, trouble, owner.service)
    answers = closed is False and not is_stopped_container(owner.service) and not is_occupied_by_stranger(case, trouble)
    if answers or has_missing_mount_source(owner.service):
        return state_evidence(owner.service)
    if closed is True and (nothing_runs := _no_server_finding(case, trouble, owner)) is not None:
        return nothing_runs
    match run_state_of(owner.service):
        case "stopped" if (owner.service.socket is not None and is_socket_activated(owner.service) and (
                owner.rule != "placed" or all(differing_part(b, endpoint) for b in bindings_of(owner.service)))):
            return Evidence("unit", owner.service.socket.name, "active: systemd starts the service on connect")
        case "stopped":
            return error_exit_finding(case, owner.service, ordering_cycle_finding(
                case, owner.service, _stopped_finding(case, trouble, owner)))
        case "masked":
            repairs, shown = (mask_repair(case, trouble, owner.service),), mask_evidence(case, owner.service)
            words = "unit-masked", f"{owner.service.name} is masked"
            return _finding(case, trouble, owner, words, repairs=repairs, shown=shown)
        case "failed" if (known := _failed_service_finding(case, trouble, owner)) is not None:
            return known
        case "unknown":
            return f"the state of {owner.service.name}"
        case _:
            return restarting_program_finding(case, trouble, owner.service) or state_evidence(owner.service)


def _learned_finding(case: Case, trouble: FailingAddress) -> Finding | None:
    """Return the finding for a learned backend, if at most a script that somebody runs says what belongs there."""
    owner = configured_owner(case, trouble.endpoint) if case.snapshot.learned else None
    if owner is not None and not owner.service.is_hand_started:
        return None
    missing = find_missing_backend(case, trouble.endpoint)
    return None if missing is None else learned_finding(case, trouble, missing)


def _failed_service_finding(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | None:
    """Return the finding if it was stopped (on purpose, or without a known failure), skipped, or lacks its socket."""
    if was_asked_to_stop(case.snapshot, owner.service) or skipped_by_condition(owner.service):
        return _stopped_finding(case, trouble, owner)
    if (said := missing_socket_line(case.snapshot, owner.service)) is not None:
        return finding_without_socket(owner.service, said, _stopped_finding(case, trouble, owner))
    is_silent = is_stopped_silently(case.snapshot, owner.service)
    return tell_silent_failure(owner.service, _stopped_finding(case, trouble, owner)) if is_silent else None


def is_stopped_container(service: Service) -> bool:
    """Return whether the service is a stopped container. An answer at its old address comes from something else."""
    return service.container is not None and not service.running


def _no_server_finding(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding | None:
    """Return the finding if the manager reports the service as running, but it has no process that could listen."""
    service = owner.service
    if is_active_without_process(service):
        return _ended_children_finding(case, trouble, owner)
    if service.unit is not None:
        if (left := explain_lost_server(case, trouble, service)) is None:
            return None
        found = _finding(case, trouble, owner, (NOT_RUNNING_VARIANT, left[0]), repairs=(left[1],), shown=left[2])
        return replace(found, effects=("nothing-listens", "stale-config"))
    if (ended := ended_in_background(case, trouble, service)) is not None:
        return ended
    if not has_only_idle_programs(case, trouble, service):
        return None
    words = f"{service.name} runs `{shorten(' '.join(service.argv), 60)}` and no server"
    return _finding(case, trouble, owner, (NOT_RUNNING_VARIANT, words),
                    repairs=(configure_server_repair(trouble, service),), shown=())


def _ended_children_finding(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding:
    service, unit = owner.service, owner.service.unit
    words = f"{service.name} is active, but its processes have ended"
    if unit is not None and unit.unit_file_state == "generated":      # from an init script, which can start it
        steps = restart_steps(case.snapshot, service, trouble.endpoint)
        repair = Repair(_START_ID, "safe", f"start {service.name} again", steps)
    elif unit is not None and bindings_of(service) and is_single_command_oneshot(service, unit):
        steps = restart_steps(case.snapshot, service, trouble.endpoint)
        summary = f"restart {service.name}, which starts the backend as at boot (nothing supervises the backend)"
        repair = Repair(_START_ID, "disruptive", summary, steps)
    else:
        told = bindings_of(service)
        where = told[0].source.where if told else service.name
        manual = (f"start the backend again as {where} does. Nothing supervises what {service.name} starts: to have it "
                  "restarted automatically, create a unit for the backend")
        repair = Repair(_START_ID, "manual", "start the backend", (), manual=manual)
    found = _finding(case, trouble, owner, ("backend-not-running", words), repairs=(repair,), shown=())
    return replace(found, effects=("nothing-listens", "stale-config"))


def _stopped_finding(case: Case, trouble: FailingAddress, owner: PortOwner) -> Finding:
    service = owner.service
    variant = _variant(case, service)
    words = {
        "unit-disabled-after-reboot": boot_state_text(service),
        "clean-exit-not-restarted": "exited successfully by itself and was not restarted",
        "start-condition-unmet": "was not started: a condition of its unit is not met",
    }.get(variant, "is stopped")
    by_person = was_ended_by_person(case.snapshot, service)
    if by_person:
        words = "was stopped or killed by somebody (docker stop past its grace period, or docker kill)"
    if service.socket is not None and is_socket_down(service):
        words = f"is stopped, and so is {service.socket.name}, which starts it"
    if service.program is not None and service.program.state == "DOWN":
        words = "does not run because supervisord does not run"
    if service.program is not None and service.program.state == "UNREAD":
        unread = f"supervisord has not read {service.program.file} since that was written"
        lacks = f"{service.program.conf} does not include {service.program.file}"
        words = f"was never started: {lacks if service.program.missing_include is not None else unread}"
    unmet = unmet_condition(service) if variant == "start-condition-unmet" else None
    shown = condition_evidence(unmet) or (clean_exit_evidence(service) if variant == "clean-exit-not-restarted" else ())
    if (own := failed_supervisord_unit(service)) is not None:
        shown = supervisord_error_evidence(case, service, own)
    repairs = _repairs(case, trouble, service, variant)
    found = _finding(case, trouble, owner, (variant, f"{service.name} {words}"), repairs=repairs, shown=shown)
    if (box := service.container) is not None:
        if by_person:
            policy = Evidence("container", box.name, f"restart policy {box.restart_policy}")
            told = f"its restart policy ({box.restart_policy}) starts it again after any other end, and it stayed down"
            shown = (*found.evidence[:1], policy, *found.evidence[1:])
            found = replace(found, detail=(*found.detail, told), evidence=shown)
        found = next_up_finding(case, trouble, service, found)
    if variant in (NOT_RUNNING_VARIANT, "unit-disabled-after-reboot"):
        found = replace(found, detail=(*found.detail, *boot_details(service)))
    if variant != "unit-disabled-after-reboot":
        return found
    others = find_successors(case, trouble, owner)
    return which_unit_finding(case, trouble, found, others) if others else found


def _variant(case: Case, service: Service) -> str:
    if service.container is not None:
        return "container-stopped"
    if service.program is not None:
        return "clean-exit-not-restarted" if service.program.state == "EXITED" else "backend-not-running"
    if service.unit is not None and not service.unit.condition_result:
        return "start-condition-unmet"
    if manager_of(service).is_disabled():
        return "unit-disabled-after-reboot"
    if service.unit is not None and has_log(service) and has_exited_by_itself(case.snapshot, service):
        return "clean-exit-not-restarted"
    return "unit-disabled-after-reboot" if manager_of(service).is_off_at_boot() else NOT_RUNNING_VARIANT


def _repairs(case: Case, trouble: FailingAddress, service: Service, variant: str) -> tuple[Repair, ...]:
    if variant == "start-condition-unmet":
        return (condition_repair(case, trouble, service, unmet_condition(service)),)
    if service.unit is not None and (refused := failed_assertion(service)) is not None:
        return (assertion_repair(service, refused),)
    all_steps = (*_start_replica_steps(case, service), *start_steps(case.snapshot, service, trouble.endpoint))
    steps = tuple(dict.fromkeys(all_steps))
    if not steps:
        return (Repair(_START_ID, "manual", f"start {service.name}", (), manual=_manual_text(case, service)),)
    also = enable_at_boot_text(service)
    begun = service.socket if service.socket is not None and is_socket_down(service) else service
    first = Repair(_START_ID, "safe", f"start {begun.name}{also}", steps)
    if variant != "clean-exit-not-restarted" or service.unit is None:
        return (first,)
    kept = write_drop_in(case.snapshot, service, "Restart=always\n", "50-badgateway-restart.conf")
    if isinstance(kept, NotEditable):
        return (first,)
    summary = f"start {service.name}, and let systemd restart it even after a successful exit"
    return first, Repair("restart-always", "disruptive", summary, (*kept.steps, *steps))


def _start_replica_steps(case: Case, service: Service) -> tuple[Step, ...]:
    """Return steps that start the other stopped replicas of a compose service: nginx uses one name for all."""
    box = service.container
    copies = [s for s in case.snapshot.services if box is not None and s.container is not None and s.id != service.id
              and (s.container.project, s.name) == (box.project, service.name) and _is_stopped(case, s)]
    return tuple(step for copy in copies if box is not None and box.project
                 for step in start_steps(case.snapshot, copy, None))


def _is_stopped(case: Case, service: Service) -> bool:
    how = run_state_of(service)
    return how == "stopped" or (how == "failed" and was_asked_to_stop(case.snapshot, service))


def _manual_text(case: Case, service: Service) -> str:
    if (own := failed_supervisord_unit(service)) is not None:
        return supervisord_fix_text(case, service, own)
    return starter_of(case.snapshot, service).by_hand()


def _finding(
    case: Case, trouble: FailingAddress, owner: PortOwner, words: tuple[str, str], *, repairs: tuple[Repair, ...],
    shown: tuple[Evidence, ...],
) -> Finding:
    """Build the finding. `words` are its variant and the start of its summary."""
    service, (variant, summary) = owner.service, words
    evidence = (
        state_evidence(service), *shown, config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *owner.evidence[:2], *no_listener_evidence(trouble.endpoint),
        *connect_symptoms(case, trouble),
    )
    return Finding(
        cause=CAUSE.id, variant=variant, role="root",
        confidence="certain" if owner.certain or owner.rule == "related" else "likely",
        summary=f"{summary}; {_holder_text(case, trouble)} listens at {endpoint_text(trouble.endpoint)}",
        detail=(f"needed by {routes_text(trouble)}", *depends_on_note(case, service.container)),
        routes=trouble.route_ids,
        service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)), repairs=repairs,
    )


def _holder_text(case: Case, trouble: FailingAddress) -> str:
    holder = case.service(trouble.endpoint.listening_service) if is_occupied_by_stranger(case, trouble) else None
    return "nothing" if holder is None else f"{holder.name}, another program,"


CAUSE = Cause(
    id="backend-down",
    title="the backend does not run",
    family="backend not running",
    variants=(
        "backend-not-running", "unit-disabled-after-reboot", "unit-masked", "start-condition-unmet",
        "clean-exit-not-restarted", "container-stopped",
    ),
    verdict=judge,
    page=__doc__,
)
