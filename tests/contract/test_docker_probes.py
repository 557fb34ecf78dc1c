"""Probes of a container's own listeners: entered from here, and by the plain tools inside where that cannot be."""

import json
import time

import pytest

from fixer.hosts.nodes.container_node import ContainerWriter
from fixer.hosts.sh.sh_asker import ShAsker
from fixer.model.query import Probe

pytestmark = pytest.mark.docker

SERVER = r"""use Socket; my ($how, $port) = @ARGV; $SIG{PIPE} = "IGNORE";
socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in($port, INADDR_LOOPBACK)) or die; listen(S, 16);
while (1) {
  accept(my $c, S) or next; next if fork(); my $r = "";
  while ($r !~ /\r\n\r\n/) { sysread($c, $r, 4096, length $r) or last }    # what is left unread resets the answer
  syswrite($c, "HTTP/1.1 203 Odd\r\nServer: x\r\n\r\nok") if $how eq "answer";
  setsockopt($c, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) if $how eq "reset";
  syswrite($c, "220 mail\r\n") if $how eq "other"; sleep 30 if $how eq "silent";
  if ($how eq "stream") { syswrite($c, "HTTP/1.1 200 OK\r\n\r\n"); while (syswrite($c, "x" x 65536)) {} }
  close($c); exit 0;
}"""
KINDS = {"answer": 7001, "reset": 7002, "other": 7003, "silent": 7004, "stream": 7005, "closed": 7006}


@pytest.fixture(scope="module")
def servers(debian: str):
    from fixer.hosts.docker_engine import docker_cli

    writer = ContainerWriter(debian, docker_cli.inspect_one(debian))
    for how, port in KINDS.items():
        script = 'perl -e "$1" "$2" "$3" >/dev/null 2>&1 </dev/null &'
        assert writer.run(["sh", "-c", script, "sh", SERVER, how, str(port)]).returncode == 0
    ports = " ".join(f"{p:04X}" for p in KINDS.values())
    wait = f'for p in {ports}; do until grep -q ":$p .* 0A " /proc/net/tcp; do sleep 0.05; done; done'
    assert writer.run(["sh", "-c", wait]).returncode == 0
    return debian


@pytest.mark.parametrize("how", ["entered", "inside"])
def test_outcomes(servers: str, how: str) -> None:
    from fixer.hosts.docker_engine import docker_cli
    from fixer.hosts.nodes.container_node import ContainerAsker

    node = ContainerAsker(servers, docker_cli.inspect_one(servers))
    if how == "entered" and not node._pid_here():
        pytest.skip("the namespaces of this engine's containers cannot be entered from here")
    asker = node if how == "entered" else ShAsker(servers, "container", node._shell)
    probes = {kind: Probe("127.0.0.1", port, "/x", timeout=4.0) for kind, port in KINDS.items()}
    connect, refused = Probe("127.0.0.1", KINDS["silent"], None), Probe("127.0.0.1", 7999, "/")
    started = time.monotonic()
    answers = asker.ask([*probes.values(), connect, refused])
    assert time.monotonic() - started < 20
    found = {kind: json.loads(answers[query].data) for kind, query in probes.items()}
    assert {kind: one["status"] for kind, one in found.items()} == {
        "answer": 203, "reset": None, "other": None, "silent": None, "stream": 200, "closed": None}
    assert (found["answer"]["body"], found["answer"]["error"]) == ("ok", None)
    assert (found["other"]["error"], found["silent"]["error"], found["closed"]["error"]) == ("not-http", "timeout", "closed")
    assert found["reset"]["error"] == "reset"
    assert json.loads(answers[connect].data)["error"] is None
    one = json.loads(answers[refused].data)
    assert (one["error"], one["errno"], one["phase"]) == ("refused", 111, "connect")
