"""Steps on containers and compose services through the docker command, and their undo."""

from __future__ import annotations

import json

from fixer.apply.steps import start_marks
from fixer.apply.steps.node_access import EngineCommands, Runner, error_text, require_connection, run_or_fail
from fixer.apply.steps.start_marks import StepStart
from fixer.errors import Conflict, StepFailed
from fixer.hosts.docker_engine.docker_cli import (
    DRY_UP,
    DRY_UP_ALL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    docker_argv,
    keeps_containers,
    network_override_file,
    with_temporary_buildx,
)
from fixer.model.host import CommandResult
from fixer.model.plan import ABSENT, ComposeUp, ContainerAction, NetworkAction

_COMMAND_SECONDS = 180.0
_DEFAULT_STOP_SECONDS = 10.0  # seconds that Docker waits before it kills
_IDENTITY_FORMAT = f'{{{{.Id}}}} {{{{with index .Config.Labels "{SERVICE_LABEL}"}}}}{{{{.}}}}{{{{end}}}}'
_STOPPED_STATES = frozenset({"exited", "created", "dead", "removing", ""})
_PAST_TENSE = {"stop": "stopped", "start": "started", "restart": "restarted", "pause": "paused"}


def apply_container(step: ContainerAction, engine: Runner) -> str:
    """Run one docker verb on the container. Return the mark of a start that undo would stop."""
    _run_docker_verb(step, engine, step.verb)
    return start_marks.container_mark(step.container_id, engine) if _needs_stop(step) else ""


def _needs_stop(step: ContainerAction) -> bool:
    return step.verb in ("start", "restart") and step.was in _STOPPED_STATES


def _run_docker_verb(step: ContainerAction, engine: Runner, verb: str) -> str:
    """Run the verb by id, or by name if compose replaced the container."""
    result = CommandResult((), None, b"", b"")
    for word in dict.fromkeys((step.container_id, step.name)):
        if word != step.container_id:
            require_same_container(step.container_id, step.name, engine)
        result = EngineCommands(engine).run(verb, word, timeout=_COMMAND_SECONDS)
        paused = verb == "pause" and b"is already paused" in result.stderr  # an interrupted undo did it
        if result.returncode == 0 or paused:
            return f"{_PAST_TENSE.get(verb, verb)} container {step.name}"
        if b"No such container" not in result.stderr:
            break
    require_connection(result, f"{verb} container {step.name}")
    raise StepFailed(f"could not {verb} container {step.name}: {error_text(result)}")


def require_same_container(ident: str, name: str, engine: Runner) -> None:
    """Raise Conflict unless the container of that name is the step's, or compose's replacement of it."""
    shown = EngineCommands(engine).inspect_containers(_IDENTITY_FORMAT, name)
    words = shown.stdout.decode("utf-8", "replace").split()
    if shown.returncode == 0 and len(words) == 1 and words[0] != ident:
        raise Conflict(f"Container {name} was replaced by another one with the same name. It was left unchanged.")


def stop_grace(step: ContainerAction | ComposeUp, engine: Runner) -> float:
    """Return the stop timeout in seconds above Docker's default of 10 (`stop_grace_period`, `--stop-timeout`)."""
    names = [step.container_id, step.name] if isinstance(step, ContainerAction) else _service_container_ids(step,
                                                                                                            engine)
    shown = EngineCommands(engine).inspect("{{.Config.StopTimeout}}", *names).stdout.split() if names else []
    return max(0.0, min(_COMMAND_SECONDS,
                        max((float(word) for word in shown if word.isdigit()), default=0.0)) - _DEFAULT_STOP_SECONDS)


def _service_container_ids(step: ComposeUp, engine: Runner) -> list[str]:
    """Return the container ids of the service: old and new while one replaces the other."""
    return _list_service_containers(step, engine).stdout.decode("ascii", "replace").split()


def _list_service_containers(step: ComposeUp, engine: Runner, *how: str) -> CommandResult:
    """List by labels: `docker compose ps` requires every file of the project."""
    wanted = [f"{PROJECT_LABEL}={step.project}", f"{SERVICE_LABEL}={step.service}"]
    filters = [word for label in wanted for word in ("--filter", f"label={label}")]
    return EngineCommands(engine).run("ps", "-a", *(how or ("-q",)), *filters, timeout=_COMMAND_SECONDS)


def undo_container(step: ContainerAction, engine: Runner, started: StepStart) -> str:
    """Undo before the files: stop a container that did not run, pause one that was paused."""
    if _needs_stop(step):
        start_marks.require_own_container_start(step.container_id, step.name, engine, started)
        return _run_docker_verb(step, engine, "stop")
    if step.verb == "unpause" and step.was == "paused":
        return _run_docker_verb(step, engine, "pause")
    return ""


def restart_container(step: ContainerAction, engine: Runner) -> str:
    """Undo after the files: restart a container that ran, with the restored files."""
    if step.was in _STOPPED_STATES or step.verb not in ("stop", "restart"):
        return ""
    done = _run_docker_verb(step, engine, "start" if step.verb == "stop" else "restart")
    return _run_docker_verb(step, engine, "pause") if step.was == "paused" else done


def restart_if_running(step: ContainerAction, engine: Runner) -> str:
    """Restart a container that started by itself, so that it reads the restored files."""
    return _run_docker_verb(step, engine, "restart")


def change_network(step: NetworkAction, engine: Runner) -> None:
    """Connect the container to the network, or disconnect it."""
    _run_network_verb(step, engine, step.verb)


def undo_network(step: NetworkAction, engine: Runner) -> str:
    """Reverse the step; do nothing if that is the state already (the container was recreated)."""
    shown = EngineCommands(engine).inspect("{{json .NetworkSettings.Networks}}", step.name)
    require_connection(shown, f"inspect container {step.name}")
    if shown.returncode != 0:
        raise StepFailed(f"container {step.name} cannot be inspected: {error_text(shown)}")
    joined = step.network in json.loads(shown.stdout or b"{}")
    if joined == (step.verb == "disconnect"):
        return ""
    require_same_container(step.container_id, step.name, engine)
    verb = "disconnect" if step.verb == "connect" else "connect"
    _run_network_verb(step, engine, verb)
    return f"{verb}ed container {step.name} and network {step.network}"


def _run_network_verb(step: NetworkAction, engine: Runner, verb: str) -> None:
    how: list[str] = []
    if verb == "connect":
        how += [word for alias in step.aliases for word in ("--alias", alias)]
        how += [word for address in step.addresses for word in ("--ip6" if ":" in address else "--ip", address)]
    EngineCommands(engine).require(f"{verb} {step.name}", "network", verb, *how, step.network, step.name,
                                   timeout=_COMMAND_SECONDS)


def compose_command(step: ComposeUp, *words: str) -> list[str]:
    """Return a `docker compose` command with the project's own files, as container labels name them."""
    files = [word for path in step.config_files for word in ("-f", path)]
    envs = [word for path in step.environment_files for word in ("--env-file", path)]
    return docker_argv("compose", "-p", step.project, "--project-directory", step.working_dir, *files, *envs, *words)


def require_unchanged_service(step: ComposeUp, engine: Runner) -> None:
    """Raise Conflict if an `up` with the present files would deploy something else than what runs."""
    result = engine.run(compose_command(step, "config", "--hash", step.service), timeout=_COMMAND_SECONDS)
    lacks_only = step.was == ABSENT and b"env file" in result.stderr  # which a step of this repair may restore
    if result.returncode != 0 and not lacks_only:
        what = f"the files of project {step.project} cannot be read: {error_text(result)}"
        raise Conflict(what, "nothing was changed")
    if step.was == ABSENT:
        _require_no_container(step, engine)
        return
    words = result.stdout.decode("utf-8", "replace").split()
    same = bool(step.config_hash) and words[:1] == [step.service]
    if same and words != [step.service, step.config_hash] and step.network:
        lent = engine.run(compose_command(step, "-f", "-", "config", "--hash", step.service), timeout=_COMMAND_SECONDS,
                          stdin=network_override_file(step.service, step.network, step.depends))
        words = lent.stdout.decode("utf-8", "replace").split()
    if not same or (words != [step.service, step.config_hash] and _would_replace(step, engine)):
        raise Conflict(
            f"the compose files configure {step.service} differently from its container",
            "`docker compose up` would deploy more than this repair; edit the file by hand and bring the service up",
        )


def _require_no_container(step: ComposeUp, engine: Runner) -> None:
    """Raise Conflict if somebody has created a container of the service since."""
    listed = _list_service_containers(step, engine)
    require_connection(listed, f"list the containers of {step.service}")
    if listed.returncode != 0:
        raise Conflict(f"the containers of {step.service} cannot be listed: {error_text(listed)}",
                       "nothing was changed")
    if listed.stdout.strip():
        raise Conflict(f"{step.service} has a container now", "run the repair again")


def _would_replace(step: ComposeUp, engine: Runner) -> bool:
    """Return whether an up would recreate the container. `config --hash` drops env_file, so labels always differ."""
    ways = [(compose_command(step, "up", *DRY_UP, step.service), b"")]
    if step.network:
        given = network_override_file(step.service, step.network, step.depends)
        ways.append((compose_command(step, "-f", "-", "up", *DRY_UP_ALL, step.service), given))
    tried = (engine.run(with_temporary_buildx(*words), timeout=_COMMAND_SECONDS, stdin=given) for words, given in ways)
    if not all(one.returncode != 0 or b"Recreat" in one.stdout + one.stderr for one in tried):
        return False
    return not step.depends or not _is_kept_with_dependencies(step, engine)


def _is_kept_with_dependencies(step: ComposeUp, engine: Runner) -> bool:
    """Return whether an up with what it depends on keeps its containers: their label counts that, --no-deps does
    not."""
    words = with_temporary_buildx(*compose_command(step, "up", *DRY_UP_ALL, step.service))
    listed = _list_service_containers(step, engine, "--format", "{{.Names}}")
    names = listed.stdout.decode("utf-8", "replace").split()
    return bool(names) and keeps_containers(engine.run(words, timeout=_COMMAND_SECONDS), names)


def compose_up(step: ComposeUp, engine: Runner) -> None:
    """Bring up one service: without build, without pull, without other services."""
    anew = ("--force-recreate",) if step.network else ()  # only the id of another container may have changed
    _run_compose_up(step, engine, "-d", *anew)


def _run_compose_up(step: ComposeUp, engine: Runner, *how: str) -> None:
    words = compose_command(step, "up", *how, "--no-deps", "--no-build", "--pull", "never", step.service)
    run_or_fail(engine, words, f"bring {step.service} up", timeout=_COMMAND_SECONDS)


def undo_compose(step: ComposeUp, engine: Runner) -> str:
    """Undo after the files: the service as its files say, running only if it ran; removed if it did not exist."""
    if step.was == ABSENT:
        return _remove_containers(step, engine)
    if step.was in _STOPPED_STATES:
        _run_compose_up(step, engine, "--no-start")
        run_or_fail(engine, compose_command(step, "stop", step.service), f"stop {step.service}",
                    timeout=_COMMAND_SECONDS)
        return f"service {step.service} follows its compose files again and is stopped, as before"
    _run_compose_up(step, engine, "-d")
    if step.was == "paused":
        run_or_fail(engine, compose_command(step, "pause", step.service), f"pause {step.service}",
                    timeout=_COMMAND_SECONDS)
    return f"brought service {step.service} up again"


def _remove_containers(step: ComposeUp, engine: Runner) -> str:
    """Remove without compose, which does nothing while a file of the project is missing."""
    listed = _list_service_containers(step, engine)
    require_connection(listed, f"list the containers of {step.service}")
    ids = listed.stdout.decode("ascii", "replace").split()
    for words in (("stop", *ids), ("rm", *ids)) if ids else ():
        EngineCommands(engine).require(f"remove {step.service}", *words, timeout=_COMMAND_SECONDS)
    return f"removed the container of service {step.service}"
