"""A container as a service: its command and variables from the engine and its compose files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.formats.run_output import is_request_line
from fixer.formats.server_bindings import bindings_of, workers_of
from fixer.formats.server_names import runtime_of
from fixer.formats.service_log import parse_docker_logs
from fixer.formats.shell_words import Word, literal_word
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.query import Answer, Command, Query
from fixer.model.snapshot import Binding, Container, LogLine, Process, Service
from fixer.nginx.error_log import is_error_log_line
from fixer.observe.commands.dependencies import proxy_variables_of
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.commands.startup_waits import waits_of_container
from fixer.observe.commands.written_values import env_assignments, quoted_bindings, quoted_count, variable_arguments
from fixer.observe.files.log_files import log_file_paths, log_file_query, with_unit_logs
from fixer.observe.view.node_view import ENGINE, INSPECT_COMMANDS, View, container_of

with lazy_imports():
    from fixer.observe.docker.compose_service import ComposeService, compose_service
    from fixer.observe.docker.container_command import (
        argv_inside_shell,
        bindings_in_image,
        bindings_of_start,
        command_in_image,
        command_queries,
        is_application,
        with_running_bindings,
    )
    from fixer.observe.view.docker_inspect import inspect_environment, inspect_objects

LOG_LINES, LOG_LINES_LATER = "200", "199"


def container_service(container: Container, node: str, views: Mapping[str, View]) -> Service:
    """Return a container as a service, with its processes if its node answered."""
    engine = views.get(ENGINE)
    view = views.get(node)
    said = Evidence("container", container.name, " ".join(container.argv))
    from_engine = {k: literal_word(v) for k, v in container_environment(container, engine).items()}
    written = compose_service(container, engine)
    command, env = _command(container, written), {**from_engine, **(written.env if written else {})}
    if written is not None and written.command and command[-1:] == written.command[-1:]:
        said = written.evidence
    processes = _own_processes(view)
    named, waits = waits_of_container(container, command, env, processes, view)
    main = next((p for p in processes if runtime_of(p.argv)), None)
    told = runtime_of([w.text for w in command])
    runtime = told or (runtime_of(main.argv) if main is not None else "")
    inside = command_in_image(container, command, env, main, view)
    configured = bindings_of(command, env, said) if inside is None or view is None else bindings_in_image(inside, view)
    asked = command if told or main is None else tuple(literal_word(a) for a in main.argv)
    return Service(
        id=f"{node}/{container.service or container.name}", name=container.service or container.name, node=node,
        manager="docker", unit=None, container=container, pids=tuple(p.pid for p in processes),
        argv=main.argv if main is not None else argv_inside_shell(container.argv, from_engine),
        bindings=quoted_bindings(_with_bindings(
            with_running_bindings(configured, command, env, said, main or bindings_of_start(container, from_engine)),
            written.beside if written else ()), engine),
        env=env_assignments(env, container.name),
        env_files=tuple(dict.fromkeys(slot.file for slot in written.env_slots)) if written else (),
        workers=quoted_count(workers_of(asked, env, said), engine),
        log=_with_own_logs(_log(container, engine), container, written, view),
        is_app_server=is_application(container, runtime, processes, view), runtime=runtime,
        variable_arguments=variable_arguments(runtime, env),
        command=tuple(word.to_argument() for word in (inside.command if inside and inside.script else command)),
        command_style=written.style if written else "",
        env_slots=written.env_slots if written else (), files_node=ENGINE,
        settings=written.limits if written else (),
        compose_networks=written.networks if written else (),
        compose_settings=written.settings if written else (), setting_slot=written.setting_slot if written else None,
        unset_variables=written.unset_variables if written else (),
        proxies=proxy_variables_of(env, container.name, "container"),
        dependencies=named, startup_waits=waits,
    )


def container_environment(container: Container, engine: View | None) -> dict[str, str]:
    """Return NAME -> value as the engine passes it to the container: for ports and hosts only."""
    for query, answer in (engine.node.answers if engine is not None else {}).items():
        if isinstance(query, Command) and query.name in INSPECT_COMMANDS:
            for item in inspect_objects(answer):
                if item.get("Id") == container.id:
                    return inspect_environment(item)
    return {}


def with_proxies_of_container(service: Service, container: Container | None, engine: View | None) -> Service:
    """Return a service inside a container with what it inherits of the container's own variables about a proxy."""
    if container is None or service.container is not None:
        return service
    env = {name: literal_word(value) for name, value in container_environment(container, engine).items()}
    own = {variable.name for variable in service.proxies}
    more = tuple(v for v in proxy_variables_of(env, container.name, "container") if v.name not in own)
    return replace(service, proxies=(*service.proxies, *more)) if more else service


def _command(container: Container, written: ComposeService | None) -> tuple[Word, ...]:
    """Return the command, with its positions in the compose file if the container was created with it."""
    if written is not None and written.command:
        words = [w.text for w in written.command]
        if words == list(container.argv[-len(words) :]):
            entry = container.argv[: len(container.argv) - len(words)]
            return (*(literal_word(a) for a in entry), *written.command)
        return tuple(written.command)
    return tuple(literal_word(a) for a in container.argv)


def _own_processes(view: View | None) -> list[Process]:
    return [p for p in view.by_pid.values() if p.pid not in view.process_table.containers] if view is not None else []


def _with_own_logs(log: Fact[tuple[LogLine, ...]], container: Container, written: ComposeService | None,
                   view: View | None) -> Fact[tuple[LogLine, ...]]:
    """Return the container's log, then the last lines of the files inside that hold more."""
    return log if view is None else with_unit_logs(log, _own_log_paths(container, written, view), view)


def _own_log_paths(container: Container, written: ComposeService | None, view: View) -> tuple[str, ...]:
    """Return the files that its start script names for output, and those that its server writes its own log to."""
    said = Evidence("container", container.name, " ".join(container.argv))
    told = ServiceCommand(_command(container, written), written.env if written is not None else {}, said, "",
                          container.working_dir or "/",
                          output_files=written.log_files if written is not None else ())
    return log_file_paths(told, view)


def image_queries(service: Service, views: Mapping[str, View]) -> Iterator[tuple[str, Query]]:
    """Yield the queries for the files in a container's image that say how it starts."""
    if service.container is not None and service.node in views:
        yield from ((service.node, query) for query in command_queries(service, views[service.node]))


def own_log_queries(service: Service, views: Mapping[str, View]) -> Iterator[Query]:
    """Yield the queries for those files of a container."""
    if service.container is not None:
        written = compose_service(service.container, views.get(ENGINE))
        yield from (log_file_query(path)
                    for path in _own_log_paths(service.container, written, views[service.node]))


def _with_bindings(told: Fact[tuple[Binding, ...]], more: tuple[Binding, ...]) -> Fact[tuple[Binding, ...]]:
    """Return the bindings with those of the servers that its script runs side by side."""
    if not isinstance(told, Known):
        return Known(more) if more else told
    written = {(b.port, b.unix): b for b in more}
    known = tuple(written.pop((b.port, b.unix), b) for b in told.value)
    return replace(told, value=(*known, *written.values()))


def _log(container: Container, engine: View | None) -> Fact[tuple[LogLine, ...]]:
    answer = engine.node.answers.get(logs_query(container)) if engine is not None else None
    return parse_docker_logs(answer, container.name)


def output_beside_nginx(container: Container, engine: View | None) -> Fact[tuple[LogLine, ...]]:
    """Return the container's log without what nginx wrote: the output of the servers that run beside it."""
    log = _log(container, engine)
    return log if isinstance(log, Unknown) else replace(log, value=tuple(
        line for line in log.value if not is_error_log_line(line.text) and not is_request_line(line.text)))


def logs_query(container: Container) -> Command:
    """Return the query for a container's last log lines."""
    return Command("docker-logs", (container.name, LOG_LINES))


def later_logs_query(container: Container) -> Command:
    """Return the same query after our own requests: another line count makes it a different query."""
    return Command("docker-logs", (container.name, LOG_LINES_LATER))


def engine_log(node: str, views: Mapping[str, View], containers: tuple[Container, ...]) -> Answer | None:
    """Return the engine's log of the container that is this node, as it was read last."""
    own, engine = container_of(node, containers), views.get(ENGINE)
    if own is None or engine is None:
        return None
    later = engine.node.answers.get(later_logs_query(own))
    return later if later is not None and later.status == "ok" else engine.node.answers.get(logs_query(own))
