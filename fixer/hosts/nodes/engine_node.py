"""The node `engine`: the Docker host. It answers docker queries and reads that machine's files."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from fixer.errors import Unreachable
from fixer.hosts.docker_engine import docker_cli
from fixer.hosts.docker_engine.docker_cli import Docker, Inspected
from fixer.hosts.docker_engine.engine_answers import answer_docker, compose_hash, inspect_answer
from fixer.hosts.nodes.local_node import LocalAsker
from fixer.model.host import Asker, NodeClock
from fixer.model.query import Answer, Command, Query
from fixer.model.target import NodeKind

_DOCKER_QUERIES = ("docker-project", "docker-container", "docker-published", "docker-called", "docker-logs",
                   "docker-top",
           "compose-hash")


class EngineAsker:
    """Asker for Docker's view of the target. Inspections from opening the target are used once."""

    kind: NodeKind = "machine"
    name = "engine"

    def __init__(self, inspected: Mapping[Command, Sequence[Inspected]], here: Asker | None = None,
                 docker: Docker = docker_cli.docker) -> None:
        self._fresh = dict(inspected)
        self._projects = {query.args[0]: found for query, found in inspected.items() if query.name == "docker-project"}
        self._here = here or LocalAsker("engine")
        self._docker = docker

    def clock(self) -> NodeClock:
        """Return that machine's clock."""
        return self._here.clock()

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        """Return Docker's answers and that machine's files; calls to this machine's docker run in parallel."""
        asked = [q for q in dict.fromkeys(queries) if isinstance(q, Command) and q.name in _DOCKER_QUERIES]
        answers: dict[Query, Answer] = {}
        threads = [threading.Thread(target=self._ask_docker, args=(query, answers), daemon=True) for query in asked]
        if self._docker.remote_runner is None:
            for thread in threads:
                thread.start()
        found = self._here.ask([q for q in queries if q not in asked])
        for thread in threads:
            if self._docker.remote_runner is not None:  # one call at a time over a connection to another machine
                thread.start()
            thread.join()
        return {**found, **answers}

    def _ask_docker(self, query: Command, answers: dict[Query, Answer]) -> None:
        fresh = self._fresh.pop(query, None)
        hashed = query.name == "compose-hash" and query.args[1:] == ("*",)
        try:
            if fresh is not None:
                answers[query] = inspect_answer(fresh)
            elif hashed and (found := self._projects.pop(query.args[0], None)) is not None:
                answers[query] = compose_hash(self._docker, *query.args, found=found)
            else:
                answers[query] = answer_docker(query, self._docker)
        except Unreachable as error:
            answers[query] = Answer("failed", message=error.message)
