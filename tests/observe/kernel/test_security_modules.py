"""Tests of fixer/observe/kernel/security_modules.py."""

from __future__ import annotations

from fixer.hosts.machine.query_commands import commands_for
from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Known, Unknown
from fixer.model.kernel import SecurityPolicy
from fixer.model.target import TargetRef
from fixer.observe.kernel.security_modules import DENIALS, policy_of, policy_queries
from fixer.observe.view.node_view import views_of
from tests.causes.mac_denied_builders import OLD, SOUND, audited, read
from tests.causes.snapshot_builders import NOW

HTTPD = "system_u:system_r:httpd_t:s0"
OFF = (("httpd_can_network_connect", False),)


def test_what_audit_recorded_of_real_hosts() -> None:
    old, sound = audited(OLD, SOUND)
    assert (old.port, old.permission, old.at) == (8081, "name_connect", NOW - 20)
    assert old.source == "unconfined_u:system_r:httpd_t:s0" and old.target == "system_u:object_r:transproxy_port_t:s0"
    assert sound.port == 8000 and sound.text.startswith('avc: denied { name_connect } for pid=3355 comm="nginx"')
    assert audited(SOUND + " permissive=1") == ()       # it was allowed all the same


def test_audit_is_asked_for_its_logs() -> None:
    """ausearch reads a pipe on stdin instead of them, unless it is told."""
    (run,) = commands_for(DENIALS) or ()
    assert run.argv[:2] == ("ausearch", "--input-logs") and DENIALS in policy_queries(())


def test_the_kernels_own_files() -> None:
    booleans = "/sys/fs/selinux/booleans/httpd_can_network_connect"
    files = {"/sys/fs/selinux/enforce": b"1", booleans: b"0 0", "/proc/101/attr/current": HTTPD.encode() + b"\0"}
    assert read(files) == Known(SecurityPolicy(True, OFF, HTTPD))
    assert read({**files, "/sys/fs/selinux/enforce": b"0", booleans: b"1 1"}) == Known(
        SecurityPolicy(False, (("httpd_can_network_connect", True),), HTTPD))
    assert read({}) == Known(SecurityPolicy(None, (), ""))
    node = NodeCapture("local", "machine", 0.0, True, {})
    assert isinstance(policy_of(views_of(Capture(TargetRef("local", "local"), (node,), (), ()))["local"]), Unknown)
