"""What the tests of fixer/causes/mac_denied.py and others are built of."""

from __future__ import annotations

from typing import Any

from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Known
from fixer.model.kernel import SelinuxDenial
from fixer.model.query import Answer, FileAnswer, FileStat, Query, ReadFile
from fixer.model.target import TargetRef
from fixer.observe.kernel.security_modules import DENIALS, policy_of, policy_queries
from fixer.observe.view.node_view import views_of
from tests.causes.snapshot_builders import NOW


def read(files: dict[str, bytes], audit: bytes | None = None) -> Any:
    stat = FileStat("file", 0o100644, 0, 0, 9, 0.0, 1, 1)
    answers: dict[Query, Answer] = {query: Answer("ok" if query.path in files else "absent", files=(
        FileAnswer(query.path, "ok", stat, files[query.path]),) if query.path in files else (
        FileAnswer(query.path, "absent"),)) for query in policy_queries((101, 102)) if isinstance(query, ReadFile)}
    if audit is not None:
        answers[DENIALS] = Answer("ok", audit)
    node = NodeCapture("local", "machine", 0.0, True, dict(answers))
    return policy_of(views_of(Capture(TargetRef("local", "local"), (node,), (), ()))["local"])


# Lines of audit.log as people published them of their enforcing hosts (the first two: CentOS 6 and 7, of nginx in
# front of Nexus and of webvirtcloud); the times are those of the test.
OLD = ('type=AVC msg=audit({at:.3f}:1081): avc:  denied  {{ name_connect }} for  pid=5642 comm="nginx" dest=8081 '
       "scontext=unconfined_u:system_r:httpd_t:s0 tcontext=system_u:object_r:transproxy_port_t:s0 tclass=tcp_socket")
SOUND = ('type=AVC msg=audit({at:.3f}:2138): avc:  denied  {{ name_connect }} for  pid=3355 comm="nginx" dest=8000 '
         "scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:soundd_port_t:s0 tclass=tcp_socket")
CALL = 'type=SYSCALL msg=audit({at:.3f}:1081): arch=c000003e syscall=42 success=no exit=-13 comm="nginx" exe="/usr/sbin/nginx"'


def audited(*lines: str, at: float = NOW - 20) -> tuple[SelinuxDenial, ...]:
    """What is read of such lines."""
    text = "\n".join(line.format(at=at) for line in (CALL, *lines, "type=AVC msg=audit(x): avc:  denied"))
    seen = read({"/sys/fs/selinux/enforce": b"1"}, text.encode())
    assert isinstance(seen, Known)
    found: tuple[SelinuxDenial, ...] = seen.value.denials
    return found
