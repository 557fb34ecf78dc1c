"""Break steps of a scenario, run in order on a healthy stack."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from lab.errors import ScenarioError
from lab.http_get import get_status
from lab.scenario.complete import complete_parameters
from lab.scenario.deployment_fields import Deployment, with_values
from lab.scenario.render import File, render
from lab.scenario.scenario_file import Role, Stack, Table, Variant
from lab.scenario.step_limits import step_problem
from lab.scenario.templates import Value, fill_deep
from lab.stack import combined_control, container_control, docker_engine, lab_files, service_control
from lab.stack.combined_control import write_inside
from lab.stack.disk import write_folder
from lab.stack.docker_command import docker
from lab.stack.docker_host_rules import insert_rule
from lab.stack.fixer_command import fixer_outside
from lab.stack.lab_records import save_record
from lab.stack.running_lab import Lab, reload_nginx, wait_for, wait_until_booted
from lab.web_socket import hold_socket


class Control(Protocol):
    """What each stack does to a part of it."""

    def start(self, lab: Lab, role: Role, *, check: bool = True) -> None: ...
    def stop(self, lab: Lab, role: Role) -> None: ...
    def restart(self, lab: Lab, role: Role, *, check: bool = True) -> None: ...
    def kill(self, lab: Lab, role: Role) -> None: ...
    def has_ended(self, lab: Lab, role: Role, *, once: bool) -> bool: ...


_CONTROL: Mapping[Stack, Control] = {
    "host": service_control, "containers": container_control, "all-in-one": combined_control}

# Drawn parameters, stored apart from the derived ones that `complete_parameters` recomputes after a change.
DRAWN_KEY = "drawn"


def break_lab(lab: Lab, variant: Variant) -> None:
    """Run the break steps of this stack and of what was drawn."""
    _run_steps(lab, variant, "breaks", variant.steps_on(lab.stack))


def repair_by_hand(lab: Lab, variant: Variant) -> None:
    """Run the manual steps, if fixer leaves the repair to a person."""
    _run_steps(lab, variant, "by_hand", variant.by_hand_on(lab.stack))


def run_again_steps(lab: Lab, variant: Variant) -> None:
    """Run the steps until a fault shows again that a restart cures for a while."""
    _run_steps(lab, variant, "again", variant.again_on(lab.stack))


def _run_steps(lab: Lab, variant: Variant, key: str, steps: tuple[Table, ...]) -> None:
    for number, step in enumerate(steps):
        where = f"{lab.record.scenario}/scenario.toml: variants.{variant.name}.{key}[{number}]"
        if not _applies(lab, str(step.get("when", "")), where):
            continue
        filled = fill_deep(dict(step), lab.params, where)
        assert isinstance(filled, dict)
        kind = next((name for name in STEPS if name in filled), None)
        if kind is None:
            raise ScenarioError(f"{where}: unknown step")
        if problem := step_problem(filled, lab.id):
            raise ScenarioError(f"{where}.{problem}")
        STEPS[kind](lab, filled)


def _applies(lab: Lab, when: str, where: str) -> bool:
    if not when:
        return True
    key, _, value = when.partition("=")
    if key not in lab.params:
        raise ScenarioError(f"{where}.when: no parameter is called {key!r}")
    word = lab.params[key]
    return (str(word).lower() if isinstance(word, bool) else str(word)) in value.split("|")


def set_parameters(lab: Lab, changes: Mapping[str, Value], *, rename: bool = False) -> None:
    """Render the lab's files with other parameters and write those that differ; with `rename`, as new inodes."""
    present = lab.deployment
    before = render(present).files
    drawn = with_values(Deployment.from_values(lab.record.extra[DRAWN_KEY]), changes)
    complete = complete_parameters(drawn, lab.id, present.images)
    after = render(complete).files
    changed = [entry for path, entry in after.items() if before.get(path) != entry]
    gone = [path for path in before if path not in after]
    lab.record.extra[DRAWN_KEY] = drawn.template_values()
    lab.record.parameters.clear()
    lab.record.parameters.update(complete.template_values())
    save_record(lab.record)
    write_folder(lab.folder, [entry for entry in changed if not entry.path.startswith("/")], rename=rename)
    on_disk = [entry for entry in changed if entry.path.startswith("/")]
    if on_disk:
        write_inside(lab, on_disk)
    for path in gone:
        _remove_path(lab, path)


def _remove_path(lab: Lab, path: str) -> None:
    if path.startswith("/"):
        lab.run_in("web", ["rm", "-f", path])
    else:
        lab_files.remove(lab.folder, path)


def _set(lab: Lab, step: Table) -> None:
    set_parameters(lab, step["set"], rename=bool(step.get("rename")))


def _reload(lab: Lab, step: Table) -> None:
    reload_nginx(lab)


def _restart(lab: Lab, step: Table) -> None:
    role: Role = step["restart"]
    check = not step.get("may_fail", False)
    _CONTROL[lab.stack].restart(lab, role, check=check)


def _stop(lab: Lab, step: Table) -> None:
    role: Role = step["stop"]
    _CONTROL[lab.stack].stop(lab, role)


def _start(lab: Lab, step: Table) -> None:
    role: Role = step["start"]
    check = not step.get("may_fail", False)
    _CONTROL[lab.stack].start(lab, role, check=check)


def _run(lab: Lab, step: Table) -> None:
    lab.run_in(step.get("on", "backend"), [str(word) for word in step["run"]], check=not step.get("may_fail", False))


def _wait_until_success(lab: Lab, step: Table) -> None:
    argv = [str(word) for word in step["until"]]
    role: Role = step.get("on", "backend")
    wait_for(
        lambda: lab.run_in(role, argv, check=False).code == 0,
        float(step.get("within", 20.0)), f"{lab.id}: `{' '.join(argv)}` did not succeed", lab,
    )


def _wait_until_ended(lab: Lab, step: Table) -> None:
    """Wait until a part is down and nothing will start it again; with `once`, until it ended at least once."""
    role: Role = step["gone"]
    has_ended = _CONTROL[lab.stack].has_ended
    wait_for(lambda: has_ended(lab, role, once=bool(step.get("once"))), float(step.get("within", 60.0)),
             f"{lab.id}: {role} did not end", lab)


def _kill(lab: Lab, step: Table) -> None:
    role: Role = step["kill"]
    _CONTROL[lab.stack].kill(lab, role)


def _compose(lab: Lab, step: Table) -> None:
    lab.compose(*map(str, step["compose"]), check=not step.get("may_fail", False))


def _docker(lab: Lab, step: Table) -> None:
    """Run the docker command that a scenario's author wrote, as written."""
    docker(*map(str, step["docker"]), check=not step.get("may_fail", False))


def read_file(lab: Lab, path: str) -> bytes:
    """Return a file of the lab: on the machine's disk, or in the lab's folder."""
    return lab.run_in("web", ["cat", path]).out if path.startswith("/") else lab_files.read_bytes(lab.folder, path)


def _write_bytes(lab: Lab, path: str, data: bytes) -> None:
    """Write a file with its owner and mode unchanged; a new one gets 0644."""
    if path.startswith("/"):
        lab.run_in("web", ["sh", "-c", 'umask 022; cat > "$1"', "sh", path], stdin=data)
    else:
        lab_files.write_bytes(lab.folder, path, data)


def _edit(lab: Lab, step: Table) -> None:
    path, old = str(step["edit"]), str(step["old"]).encode()
    data = read_file(lab, path)
    if data.count(old) < 1:
        raise ScenarioError(f"{lab.record.scenario}/scenario.toml: edit {path}: {step['old']!r} is not in the file, "
                            f"which has {len(data)} bytes")
    _write_bytes(lab, path, data.replace(old, str(step["new"]).encode(), 1))


def _write(lab: Lab, step: Table) -> None:
    entry = File(str(step["write"]), str(step["text"]).encode(), int(str(step.get("mode", "644")), 8))
    if entry.path.startswith("/"):
        write_inside(lab, [entry])
    else:
        write_folder(lab.folder, [entry])


def _remove(lab: Lab, step: Table) -> None:
    _remove_path(lab, str(step["remove"]))


def _link(lab: Lab, step: Table) -> None:
    path, target = str(step["link"]), str(step["to"])
    if path.startswith("/"):
        lab.run_in("web", ["ln", "-sfn", target, path])
    else:
        lab_files.link(lab.folder, path, target)


def _choose_free_address(lab: Lab, step: Table) -> None:
    """Set a parameter to a free address of the stack's own network."""
    (joined,) = docker_engine.networks_of(lab.container("web")).values()
    own, gateway = joined["IPAddress"], joined["Gateway"]
    network = ipaddress.ip_interface(f"{own}/{joined['IPPrefixLen']}").network
    free = network[-int(step.get("from_end", 7))]
    if str(free) in (gateway, own):
        raise ScenarioError(f"{lab.record.scenario}: {free} is already in use in {network}")
    set_parameters(lab, {str(step["address"]): str(free)})


def _insert_engine_rule(lab: Lab, step: Table) -> None:
    insert_rule(lab, str(step["engine_rule"]), str(step["port"]), str(step["limit"]))


def _reboot(lab: Lab, step: Table) -> None:
    """Reboot the machine as after a power cut: only what starts at boot runs."""
    docker_engine.restart(lab.container(), timeout=20)
    wait_until_booted(lab)


def _learn(lab: Lab, step: Table) -> None:
    """Run `fixer learn`, as an engineer did on the healthy machine."""
    told = fixer_outside(lab).ask("learn", "--json")
    if told.code != 0:
        raise ScenarioError(f"{lab.id}: fixer learn failed: {told.err.strip() or told.out.strip()}")


def _wait_for_status(lab: Lab, step: Table) -> None:
    path = str(step.get("path", "/login"))
    wait_for(lambda: get_status(lab.url, path, host=lab.visit_name) in step["see"], 30.0,
             f"{lab.id}: {path} did not answer {step['see']}", lab)


def _hold_sockets(lab: Lab, step: Table) -> None:
    """Open sockets (WebSocket) at the same moment, and wait until each has ended as it is said."""
    count, path, within = int(step["sockets"]), str(step.get("path", "/")), float(step.get("within", 30.0))
    with ThreadPoolExecutor(count) as pool:
        ends = list(pool.map(lambda _: hold_socket(lab.url, path, host=lab.visit_name, patience=within), range(count)))
    if wrong := [end for end in ends if end.status not in step["answers"] or not end.closed]:
        raise ScenarioError(f"{lab.id}: a socket at {path} got {wrong[0].status}, and "
                            f"{'was closed' if wrong[0].closed else f'was not closed within {within:g} s'}")


def _wait_until_logged(lab: Lab, step: Table) -> None:
    """Wait until a part has written a line to its own log, as its manager stores it."""
    role: Role = step["logged"]
    pattern = re.compile(str(step["text"]))
    wait_for(lambda: pattern.search(_log_of(lab, role)) is not None, float(step.get("within", 60.0)),
             f"{lab.id}: {role} did not log {pattern.pattern!r}", lab)


def _log_of(lab: Lab, role: Role) -> str:
    if lab.stack == "all-in-one":
        return combined_control.log_of(lab, role)
    if lab.stack == "containers":
        return container_control.log_of(lab, role)
    asked = ["journalctl", "-u", lab.unit(role), "-n", "200", "-o", "cat", "--no-pager"]
    shown = lab.run_in("web", asked, check=False)
    return (shown.out + shown.err).decode("utf-8", "replace")


STEPS: Mapping[str, Callable[[Lab, Table], None]] = {
    "logged": _wait_until_logged,
    "set": _set, "reload": _reload, "restart": _restart, "stop": _stop, "start": _start, "run": _run,
    "until": _wait_until_success,
    "compose": _compose, "docker": _docker, "edit": _edit, "write": _write, "remove": _remove, "link": _link,
    "reboot": _reboot, "learn": _learn, "see": _wait_for_status, "gone": _wait_until_ended, "kill": _kill,
    "sockets": _hold_sockets,
    "address": _choose_free_address,
    "engine_rule": _insert_engine_rule,
}
