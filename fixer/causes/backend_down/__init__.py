"""The backend does not run: it was stopped, never started after the boot, or ended cleanly and stayed away.
nginx finds no listener (`111: Connection refused`, 502). Start the service, and enable it for the next boot.

By hand
  systemctl status UNIT; systemctl enable --now UNIT    # masked: first systemctl unmask UNIT
  systemctl enable --now NAME.socket                    # a service that its socket starts
  docker ps -a; docker start CONTAINER                  # no container at all: docker compose up -d SERVICE
  supervisorctl status; supervisorctl start PROGRAM

What it is
  The service that belongs behind the route exists and is not running, and its manager says that nothing went wrong:
  inactive with Result=success, a container that exited with 0 or was stopped, a unit that is masked. The most common
  cause of all.

Why nginx says 502
  Nothing listens where nginx connects: `connect() failed (111: Connection refused) while connecting to upstream`.
  A stopped container's address is gone from the network, so there it is first `upstream timed out … while connecting`
  (504) and then `connect() failed (113: No route to host)` (502).

How it is told apart
  wrong-port: there the service runs, and listens elsewhere. crash-*: there its manager says failed, and its own log
  says why. nginx-down: there nginx itself does not answer. A unit that is disabled comes back down after every reboot.

The repair and its safety
  start-service (safe): start it, and where no boot starts it, let one: enabled where it is disabled, a link as of
  `systemctl add-wants` where its unit does not say for what; then wait until it accepts. Undo takes all of it back.
  Where nothing but the code of its program says the port, that code is read: it is the one whose code listens there,
  and of several a person names one (`--set backend=UNIT`).
  Where it is disabled, and another unit of the same name (its version or colour aside) that no site asks for runs or
  starts at boot, it may have been replaced: a person names the one that is meant (`--set backend=UNIT`), and nginx is
  pointed at the other one where it is that.
  unmask-service (disruptive): a mask was most likely put there on purpose, so a person must name the unit
  (`--set unmask=UNIT`); then the mask goes and the unit is started. meet-condition (disruptive): a condition of the
  unit (ConditionPathExists=…) may be meant, so a person chooses: make the file it asks for, or drop the condition.
  Where it is met now, a start is enough. restart-always (disruptive): for what ends by itself with success, which
  Restart=on-failure does not start again.
  start-as-unit (disruptive): a program that was started by hand (nohup, a shell in the background) is gone after a
  reboot. Where `fixer learn` remembered it while it was well, it is started again as a systemd unit that stays: the
  remembered command, folder and user, its variables from the files where they stood then (a secret that stands in no
  file is yours to give). Undo stops and removes the unit. Without that, fixer says what is known of it, and names the
  line that starts it: of cron for the reboot, of rc.local that may not be executed, of a unit of a user's own systemd,
  of the run script that runit, s6 or daemontools keep, with the command that starts it.
  An init script's unit counts as active whatever becomes of its program: start-service (safe) restarts it where nothing
  of it runs. restart-service (disruptive): a container whose own script puts the server into the background and then
  becomes nginx runs that script again, where its log shows that the server had served and did not fail.
  create-service (disruptive): a service of the compose project that has no container at all is created from the
  project's files; undo removes the container.

Where the page answers all the same
  A page that comes from somewhere else (an error page sent as 200, a cache, a login that nginx asks for, a container
  that got the old address since) hides that the backend is gone: the route counts as degraded. A member of a group that
  nginx passes over, or one of several addresses that a variable can stand for, is reported as advice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixer.analysis.case import Case, Owner, Trouble
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.dependency.start_order import held_up
from fixer.analysis.evidence import absent_evidence, bindings_of, config_evidence, endpoint_text
from fixer.analysis.exits.failed_run import lacks_source, over_an_error
from fixer.analysis.nginx_errors import is_refused, say_routes, symptom_evidence
from fixer.analysis.ownership.configured import MOST_EQUALS, placed_owner, which_in_code
from fixer.analysis.ownership.resolve import is_occupied, owners
from fixer.analysis.route_verdict import is_closed, is_empty
from fixer.analysis.run_log import end_evidence, ended_by_itself, is_known, is_passed_over, was_asked_to_stop
from fixer.analysis.service_state import condition, is_activated, state_evidence
from fixer.causes.backend_down.stopped_container import give_a_server, runs_no_server
from fixer.causes.backend_down.unclaimed_address import START, nobody, unclaimed
from fixer.causes.backend_down.unmanaged_start import begun_again, not_started
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import Finding, Repair, Verdict
from fixer.model.facts import Evidence
from fixer.model.plan import Step
from fixer.model.snapshot import Endpoint, Service
from fixer.repairs.boot_enablement import (
    also_at_boot,
    is_disabled,
    is_left_alone,
    is_off_at_boot,
    said_of_boot,
    starts_one_program,
    words_at_boot,
)
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.start_service import ended_supervisord, is_socket_off, of_swarm, restart_steps, start_steps

START_ALONE = "backend-not-running"

if TYPE_CHECKING:
    from fixer.causes.backend_down.learned_start import Gone


def judge(case: Case) -> Verdict:
    """For every address behind a failing route: is its service stopped without a failure?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled: list[Evidence] = [e for j in case.judged.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    for trouble in case.troubles:
        outcome = _judge_trouble(case, trouble)
        match outcome:
            case Finding():
                _join(findings, outcome)
            case str():
                missing.append(outcome)
            case Evidence():
                ruled.append(outcome)
    told = list(findings.values())
    if case.snapshot.compose is not None and case.snapshot.compose.uncreated:
        from fixer.causes.backend_down.stopped_container import uncreated  # only where a service has no container

        told += uncreated(case)
    if any(is_empty(endpoint) for endpoint in case.snapshot.endpoints):
        from fixer.causes.backend_down.unclaimed_address import passed_over  # only where an address is empty

        told += passed_over(case)
    return conclude(told, missing, ruled)


def _join(findings: dict[str, Finding], new: Finding) -> None:
    """One finding a service, whatever number of addresses lead to it."""
    key = f"{new.node}/{new.service}/{new.summary if new.service is None else ''}"
    old = findings.get(key)
    findings[key] = new if old is None else replace(
        old, routes=tuple(dict.fromkeys((*old.routes, *new.routes))),
        evidence=tuple(dict.fromkeys((*old.evidence, *new.evidence))),
    )


def _judge_trouble(case: Case, trouble: Trouble) -> Finding | str | Evidence:
    endpoint = trouble.endpoint
    text = endpoint_text(endpoint)
    closed = is_closed(endpoint)
    unowned = closed and placed_owner(case, endpoint) is None
    gone = _gone_at(case, endpoint) if unowned and case.snapshot.learned else None
    if gone is not None:
        return _remembered(case, trouble, gone)
    found = [owner for owner in owners(case, trouble) if not owner.is_unsure]
    if len(found) > 1:
        asked = which_in_code(case, endpoint, found, [_stopped(case, trouble, o) for o in found[:MOST_EQUALS]])
        return asked or f"which of {', '.join(owner.service.name for owner in found)} belongs behind {text}"
    if not found:
        if closed is None:
            return f"whether anything listens at {text}"
        return not_started(case, trouble) or nobody(case, trouble) or unclaimed(case, trouble, closed)
    owner = found[0]
    answers = closed is False and not is_gone(owner.service) and not is_occupied(case, trouble)
    if answers or lacks_source(owner.service):
        return state_evidence(owner.service)
    if closed is True and (nothing_runs := _without_a_server(case, trouble, owner)) is not None:
        return nothing_runs
    match condition(owner.service):
        case "stopped" if owner.rule != "placed" and is_activated(owner.service) and owner.service.socket is not None:
            return Evidence("unit", owner.service.socket.name, "active: systemd starts it when somebody connects there")
        case "stopped":
            from fixer.causes.backend_down.manager_state import in_a_cycle  # only where one is stopped
            return over_an_error(case, owner.service, in_a_cycle(case, owner.service, _stopped(case, trouble, owner)))
        case "masked":
            return _masked(case, trouble, owner)
        case "failed" if (known := _failed(case, trouble, owner)) is not None:
            return known
        case "unknown":
            return f"the state of {owner.service.name}"
        case _:
            return begun_again(case, trouble, owner.service) or state_evidence(owner.service)


def _failed(case: Case, trouble: Trouble, owner: Owner) -> Finding | None:
    """Stopped in truth: on purpose, by a condition, or for want of the socket that it is handed."""
    if was_asked_to_stop(case.snapshot, owner.service) or is_passed_over(owner.service):
        return _stopped(case, trouble, owner)
    from fixer.causes.backend_down.manager_state import missed_socket, told_without  # only where one failed
    said = missed_socket(case.snapshot, owner.service)
    return None if said is None else told_without(owner.service, said, _stopped(case, trouble, owner))


def is_gone(service: Service) -> bool:
    """A container that does not run: whatever still answers at its old address is not it."""
    return service.container is not None and not service.running


def _without_a_server(case: Case, trouble: Trouble, owner: Owner) -> Finding | None:
    """Its manager sees it run, and no program of it does that could listen."""
    service = owner.service
    if is_left_alone(service):
        return _left_alone(case, trouble, owner)
    if service.unit is not None:
        from fixer.causes.backend_down.manager_state import outlived  # only where nobody listens
        left = outlived(case, trouble, service)
        found = None if left is None else _finding(
            case, trouble, owner, (START_ALONE, left[0]), repairs=(left[1],), shown=left[2])
        return None if found is None else replace(found, explains=(*found.explains, "slow-start"))
    if not runs_no_server(case, trouble, service):
        return None
    words = f"{service.name} runs `{' '.join(service.argv)[:60]}` and no server"
    return _finding(case, trouble, owner, (START_ALONE, words), repairs=(give_a_server(trouble, service),), shown=())


def _left_alone(case: Case, trouble: Trouble, owner: Owner) -> Finding:
    service, unit = owner.service, owner.service.unit
    words = f"what {service.name} started does not run any more"
    if unit is not None and unit.unit_file_state == "generated":      # of an init script, which knows how it is started
        steps = restart_steps(case.snapshot, service, trouble.endpoint)
        repair = Repair(START, "safe", f"start {service.name} again", steps)
    elif unit is not None and bindings_of(service) and starts_one_program(service, unit):
        steps = restart_steps(case.snapshot, service, trouble.endpoint)
        summary = f"restart {service.name}, which starts it as it does at boot (nobody watches what it has started)"
        repair = Repair(START, "disruptive", summary, steps)
    else:
        told = bindings_of(service)
        where = told[0].source.where if told else service.name
        manual = (
            f"start it again as {where} does; nobody watches what {service.name} has started, so a unit of its own is "
            "what comes back by itself"
        )
        repair = Repair(START, "manual", "start the backend", (), manual=manual)
    found = _finding(case, trouble, owner, ("backend-not-running", words), repairs=(repair,), shown=())
    return replace(found, explains=(*found.explains, "slow-start"))     # no process is there that could still start


def _stopped(case: Case, trouble: Trouble, owner: Owner) -> Finding:
    from fixer.causes.backend_down.condition_or_mask import condition_evidence, unmet_condition

    service = owner.service
    variant = _variant(case, service)
    words = {
        "unit-disabled-after-reboot": words_at_boot(service),
        "clean-exit-not-restarted": "ended by itself with success and was not started again",
        "start-condition-unmet": "was not started: a condition of its unit is not met",
    }.get(variant, "is stopped")
    if service.socket is not None and is_socket_off(service):
        words = f"is stopped, and so is {service.socket.name}, which starts it"
    if service.program is not None and service.program.state == "DOWN":
        words = "does not run, since supervisord does not"
    unmet = unmet_condition(service) if variant == "start-condition-unmet" else None
    shown = condition_evidence(unmet) or (end_evidence(service) if variant == "clean-exit-not-restarted" else ())
    if (own := ended_supervisord(service)) is not None:
        from fixer.causes.backend_down.manager_state import end_of  # only where it is found

        shown = end_of(case, service, own)
    repairs = _repairs(case, trouble, service, variant)
    found = _finding(case, trouble, owner, (variant, f"{service.name} {words}"), repairs=repairs, shown=shown)
    if service.container is not None:
        from fixer.causes.backend_down.stopped_container import with_next_up  # only where a container is stopped

        found = with_next_up(case, trouble, service, found)
    if variant in (START_ALONE, "unit-disabled-after-reboot"):
        found = replace(found, detail=(*found.detail, *said_of_boot(service)))
    if variant != "unit-disabled-after-reboot":
        return found
    from fixer.causes.backend_down.replaced_unit import ask_which, successors  # only where it is found

    others = successors(case, trouble, owner)
    return ask_which(case, trouble, found, others) if others else found


def _variant(case: Case, service: Service) -> str:
    if service.container is not None:
        return "container-stopped"
    if service.program is not None:
        return "clean-exit-not-restarted" if service.program.state == "EXITED" else "backend-not-running"
    if service.unit is not None and not service.unit.condition_result:
        return "start-condition-unmet"
    if is_disabled(service):
        return "unit-disabled-after-reboot"
    if service.unit is not None and is_known(service) and ended_by_itself(case.snapshot, service):
        return "clean-exit-not-restarted"
    return "unit-disabled-after-reboot" if is_off_at_boot(service) else START_ALONE


def _repairs(case: Case, trouble: Trouble, service: Service, variant: str) -> tuple[Repair, ...]:
    from fixer.causes.backend_down.condition_or_mask import (
        assertion_repair,
        condition_repair,
        failed_assertion,
        unmet_condition,
    )
    from fixer.repairs.write_variables import drop_in  # only where it is found

    if variant == "start-condition-unmet":
        return (condition_repair(case, trouble, service, unmet_condition(service)),)
    if service.unit is not None and (refused := failed_assertion(service)) is not None:
        return (assertion_repair(service, refused),)
    all_steps = (*_start_copies(case, service), *start_steps(case.snapshot, service, trouble.endpoint))
    steps = tuple(dict.fromkeys(all_steps))
    if not steps:
        return (Repair(START, "manual", f"start {service.name}", (), manual=_by_hand(case, service)),)
    also = also_at_boot(service)
    begun = service.socket if service.socket is not None and is_socket_off(service) else service
    first = Repair(START, "safe", f"start {begun.name}{also}", steps)
    if variant != "clean-exit-not-restarted" or service.unit is None:
        return (first,)
    kept = drop_in(case.snapshot, service, "Restart=always\n", "50-badgateway-restart.conf")
    if isinstance(kept, NoPlace):
        return (first,)
    summary = f"start {service.name}, and let systemd start it again also after an end with success"
    return first, Repair("restart-always", "disruptive", summary, (*kept.steps, *steps))


def _start_copies(case: Case, service: Service) -> tuple[Step, ...]:
    """The other stopped containers of one compose service: nginx asks them all by the one name."""
    box = service.container
    copies = [s for s in case.snapshot.services if box is not None and s.container is not None and s.id != service.id
              and (s.container.project, s.name) == (box.project, service.name) and _was_stopped(case, s)]
    return tuple(step for copy in copies if box is not None and box.project
                 for step in start_steps(case.snapshot, copy, None))


def _was_stopped(case: Case, service: Service) -> bool:
    how = condition(service)
    return how == "stopped" or (how == "failed" and was_asked_to_stop(case.snapshot, service))


def _by_hand(case: Case, service: Service) -> str:
    if (task := of_swarm(service)):
        return task
    if (own := ended_supervisord(service)) is not None:
        from fixer.causes.backend_down.manager_state import mended_by  # only where it is found

        return mended_by(case, service, own)
    if service.manager == "supervisord":
        return f"supervisorctl start {service.name}"
    return f"start {service.name} as it was started before; fixer knows no manager for it"


def _masked(case: Case, trouble: Trouble, owner: Owner) -> Finding:
    from fixer.causes.backend_down.condition_or_mask import mask_evidence, mask_repair  # only where it is found

    service = owner.service
    return _finding(
        case, trouble, owner, ("unit-masked", f"{service.name} is masked"),
        repairs=(mask_repair(case, trouble, service),), shown=mask_evidence(case, service),
    )


def _finding(
    case: Case, trouble: Trouble, owner: Owner, words: tuple[str, str], *, repairs: tuple[Repair, ...],
    shown: tuple[Evidence, ...],
) -> Finding:
    """`words` are the variant and what is said of the service."""
    service, (variant, summary) = owner.service, words
    evidence = (
        state_evidence(service), *shown, config_evidence(case.snapshot, trouble.nginx, trouble.endpoint),
        *owner.why[:2], *absent_evidence(trouble.endpoint), *symptom_evidence(case, trouble, is_refused),
    )
    return Finding(
        cause=CAUSE.id, variant=variant, role="root",
        confidence="certain" if owner.certain or owner.rule == "related" else "likely",
        summary=f"{summary}; {_instead(case, trouble)} listens at {endpoint_text(trouble.endpoint)}",
        detail=(f"needed by {say_routes(trouble)}", *held_up(case, service.container)), routes=trouble.route_ids,
        service=service.name, node=service.node, evidence=tuple(dict.fromkeys(evidence)), repairs=repairs,
        explains=("nginx-not-reloaded",),
    )


def _instead(case: Case, trouble: Trouble) -> str:
    holder = case.service(trouble.endpoint.holder) if is_occupied(case, trouble) else None
    return "nothing" if holder is None else f"{holder.name}, which is another program,"


def _gone_at(case: Case, endpoint: Endpoint) -> Gone | None:
    from fixer.causes.backend_down.learned_start import gone_at  # only where something was learned

    return gone_at(case, endpoint)


def _remembered(case: Case, trouble: Trouble, gone: Gone) -> Finding:
    """What was learned to listen there was started by hand, and is gone: nothing else starts it again."""
    from fixer.causes.backend_down.learned_start import learned_evidence, start_as_unit

    endpoint = trouble.endpoint
    evidence = (
        learned_evidence(case, gone), config_evidence(case.snapshot, trouble.nginx, endpoint),
        *absent_evidence(endpoint), *symptom_evidence(case, trouble, is_refused),
    )
    return Finding(
        cause=CAUSE.id, variant="backend-not-running", role="root", confidence="likely",
        summary=f"{gone.service.name}, started by hand, does not run; nothing listens at {endpoint_text(endpoint)}",
        detail=(f"needed by {say_routes(trouble)}",), routes=trouble.route_ids, service=gone.service.name,
        node=gone.learned.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(start_as_unit(case, trouble, gone),), explains=("nginx-not-reloaded",),
    )


CAUSE = Cause(
    id="backend-down",
    title="the backend does not run",
    family="backend not running",
    variants=(
        "backend-not-running", "unit-disabled-after-reboot", "unit-masked", "start-condition-unmet",
        "clean-exit-not-restarted", "container-stopped",
    ),
    verdict=judge,
    order=30,
    page=__doc__,
)
