"""What is closed to nginx's account on the way to a unix socket."""

from __future__ import annotations

from fixer.analysis.case import Case, open_case
from fixer.analysis.exits.socket_access import confining_profile, nginx_profile, socket_access
from fixer.model.facts import Known, Unknown
from fixer.model.kernel import SecurityPolicy
from tests.causes.snapshot_builders import Scene, stat
from tests.causes.test_unix_socket_permission import PATH, denied, folder


def case_of(scene: Scene) -> Case:
    return open_case(scene.snapshot(), {})


def test_the_first_closed_parts_are_named_with_the_bit_that_is_missing() -> None:
    case = case_of(denied(stat(kind="socket", mode=0o140700, uid=998, gid=998), folder(0o750, 998, 33)))
    access = socket_access(case, case.failing_addresses[0])
    assert not isinstance(access, str)
    account, shut, way = access
    assert (account.name, way) == ("www-data", ("/", "/run", "/run/shop", PATH))
    assert [(part.path, part.bit, part.is_open_to_group) for part in shut] == [(PATH, 2, False)]


def test_what_was_not_read_is_missing() -> None:
    scene = denied(stat(kind="socket", mode=0o140777))
    scene.node_changes["local"]["files"] = ()
    case = case_of(scene)
    assert "modes and owners" in str(socket_access(case, case.failing_addresses[0]))


def test_a_profile_in_force() -> None:
    for policy, any_profile, own in ((Known(SecurityPolicy(None, (), "nginx (enforce)")), "nginx", "nginx"), (Unknown("not asked"), "", ""),
                                     (Known(SecurityPolicy(None, (), "docker-default (enforce)")), "docker-default", ""),
                                     (Known(SecurityPolicy(True, (), "nginx (enforce)")), "", "")):
        scene = denied(stat(kind="socket", mode=0o140777))
        scene.node_changes["local"]["policy"] = policy
        case = case_of(scene)
        assert confining_profile(case, case.failing_addresses[0]) == any_profile
        assert nginx_profile(case, case.failing_addresses[0]) == own
