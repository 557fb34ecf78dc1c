"""wrong-server-block: two blocks with one name, and names that fall to the default server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Listen, ServerBlock, Span
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.model.snapshot import Snapshot
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    SITE,
    SLOW,
    Scene,
    binding,
    container_service,
    error_event,
    failed_service,
    file,
    finding_of,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stat,
    stopped_service,
    verdict_of,
)

CAUSE = "wrong-server-block"
OLD_FILE = "/etc/nginx/conf.d/00-old.conf"
OLD = "server {\n    listen 80;\n    server_name shop.example;\n    location / { proxy_pass http://127.0.0.1:9999; }\n}\n"
NEW = "server {\n    listen 80;\n    server_name shop.example;\n    location / { proxy_pass http://127.0.0.1:8000; }\n}\n"


def block(path: str, text: str, *names: str, default: bool = False) -> ServerBlock:
    at = text.index(";", text.index("server_name")) if "server_name" in text else 0
    span = Span(path, 3, at, at) if at else None
    return ServerBlock((Listen("0.0.0.0", 80, False, default, False, Span(path, 2, 0, 0)),), names, Span(path, 1, 0, 6), span)


def two(*names: tuple[str, ...], default: bool = False, status: object = BAD_GATEWAY) -> Scene:
    """The first block leads nowhere, the second to a backend that answers."""
    first, second = names or (("shop.example",), ("shop.example",))
    scene = Scene("127.0.0.1:9999", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    scene.refused(0)
    scene.answers(status, route=1)   # type: ignore[arg-type]
    scene.route[0] = {"server_index": 0, "server_names": first}
    scene.route[1] = {"server_index": 1, "server_names": second}
    scene.files = [file(OLD_FILE, OLD), file(SITE, NEW, real_path="/etc/nginx/sites-available/shop")]
    scene.extra["servers"] = (block(OLD_FILE, OLD, *first, default=default), block(SITE, NEW, *second))
    return scene


def made(scene: Scene) -> Snapshot:
    servers = scene.extra.pop("servers", ())
    snapshot = scene.snapshot()
    nginx = snapshot.nginxes[0]
    if isinstance(nginx.config, Known):
        nginx = replace(nginx, config=Known(replace(nginx.config.value, servers=servers)))
    return replace(snapshot, nginxes=(nginx,))


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(made(scene), inputs), CAUSE)


def test_hit_two_blocks_with_one_name() -> None:
    diagnosis = diagnose(made(two()))
    assert roots(diagnosis) == [CAUSE]
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence, first.routes) == ("default-server-catches", "certain", ("r1", "r2"))
    assert f"{OLD_FILE}:1" in first.summary and "shop.example" in first.evidence[0].text
    (repair,) = first.repairs
    assert (repair.risk, repair.steps, repair.needs[0].choices) == ("safe", (), (OLD_FILE, SITE))


def test_hit_where_the_service_of_the_second_block_does_not_answer_or_is_down_too() -> None:
    """Its start would help nobody before the first block is gone."""
    assert found(two(status=GOOD).endpoint(1, http=Known(REFUSED))).confidence == "likely"
    scene = Scene("127.0.0.1:9999", "127.0.0.1:8000").with_service(stopped_service("shop.service", 8000)).refused(0).refused(1)
    for index in (0, 1):
        scene.route[index] = {"server_index": index, "server_names": ("shop.example",)}
    scene.extra["servers"] = (block(OLD_FILE, OLD, "shop.example"), block(SITE, NEW, "shop.example"))
    diagnosis = diagnose(made(scene))
    first = finding_of(diagnosis, CAUSE)
    assert (roots(diagnosis), first.confidence) == ([CAUSE], "likely") and "backend.service" not in first.summary
    assert any(shown.where == "shop.service" for shown in first.evidence)


def test_a_second_block_whose_service_hangs_is_hidden_all_the_same() -> None:
    """The first one's address is of that service too: what leads there is the old block, not a wrong port."""
    scene = two().endpoint(1, http=Known(SLOW), tcp=Known(probe()))
    scene.endpoint(0, configured_service=scene.services[0].id)
    diagnosis = diagnose(made(scene))
    assert (roots(diagnosis), diagnosis.findings[0].confidence) == ([CAUSE], "likely")
    assert any(shown.text == "accepts connections" for shown in diagnosis.findings[0].evidence)


def _with_first(**changes: object) -> Scene:
    """A unit that is told to listen where the first block leads, beside the one that answers behind the second."""
    made = stopped_service("shop.service", 9999)
    return two().with_service(replace(made, unit=replace(made.unit, **changes)))   # type: ignore[arg-type,type-var]


def test_where_the_service_of_the_first_block_is_down_it_is_that() -> None:
    diagnosis = diagnose(made(_with_first(unit_file_state="enabled")))
    assert roots(diagnosis) == ["backend-down"] and diagnosis.findings[0].service == "shop.service"
    assert not [f for f in diagnosis.findings if f.cause == CAUSE]


def test_one_that_was_put_to_rest_may_be_the_old_release() -> None:
    assert roots(diagnose(made(_with_first(unit_file_state="disabled")))) == [CAUSE]


def test_what_the_second_block_leads_to_is_no_trouble_of_its_own() -> None:
    """Nothing is started for a block that gets no request."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9999").with_service(stopped_service("shop.service", 8000)).with_service(
        stopped_service("shop-old.service", 9999)).refused(0).refused(1)
    scene.route[0] = {"server_index": 0, "server_names": ("shop.example",)}
    scene.route[1] = {"server_index": 1, "server_names": ("shop.example",)}
    blocks = (block(OLD_FILE, OLD, "shop.example"), block(SITE, NEW, "shop.example"))
    for servers, routes, states in ((blocks, ("r1",), ["failing", "unknown"]), ((), ("r1", "r2"), ["failing", "failing"])):
        scene.extra["servers"] = servers
        diagnosis = diagnose(made(scene))
        assert tuple(route for f in diagnosis.findings for route in f.routes) == routes
        assert [health.state for health in diagnosis.health] == states


@pytest.mark.parametrize(("first", "second", "hidden"), [
    (block("a", "", "a"), block("b", "", "a"), {1}), (block("a", "", "a", "b"), block("b", "", "b"), {1}),
    (block("a", ""), block("b", ""), {1}), (block("a", ""), block("b", "", default=True), set()),
    (block("a", "", "a"), block("b", "", "a", "c"), set()), (block("a", "", "a"), block("b", "", "c"), set()),
    (block("a", "", "a"), replace(block("b", "", "a"), listens=(
        Listen("0.0.0.0", 80, False, False, False, Span("b", 2, 0, 0)), Listen("::", 80, False, False, False, Span("b", 3, 0, 0)))), set()),
])
def test_a_server_gets_no_request_where_each_of_its_names_is_taken(first: ServerBlock, second: ServerBlock, hidden: set[int]) -> None:
    snapshot = made(two())
    config = snapshot.nginxes[0].config
    assert isinstance(config, Known) and replace(config.value, servers=(first, second)).hidden_servers() == hidden


def test_the_file_that_is_not_meant_is_put_aside() -> None:
    copy, remove, check, reload = found(two(), keep=SITE).repairs[0].steps
    assert isinstance(copy, WriteFile) and isinstance(remove, WriteFile)
    assert (copy.path, copy.after, remove.path, remove.after) == (f"{OLD_FILE}.off", OLD.encode(), OLD_FILE, None)
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)


def test_a_link_that_is_not_meant_is_removed() -> None:
    scene = two()
    scene.node_changes["local"] = {"files": ((SITE, stat(kind="link", link_target="/etc/nginx/sites-available/shop")),)}
    step = found(scene, keep=OLD_FILE).repairs[0].steps[0]
    assert isinstance(step, WriteFile) and (step.path, step.after, step.link_target) == (
        SITE, None, "/etc/nginx/sites-available/shop")


def test_what_cannot_be_put_aside_is_for_a_person() -> None:
    plain = two()
    plain.files[1] = file(SITE, NEW)
    several = two()
    several.files[0] = file(OLD_FILE, OLD + OLD)
    for scene, keep in ((plain, OLD_FILE), (several, SITE)):
        repair = found(scene, keep=keep).repairs[0]
        assert repair.risk == "manual" and "nginx -t" in repair.manual
    gone = two()
    gone.files.pop(0)
    assert found(gone, keep=SITE).repairs[0].risk == "manual"
    one = two()
    one.extra["servers"] = (block(SITE, NEW, "shop.example"), block(SITE, NEW, "shop.example"))
    assert found(one).repairs[0].risk == "manual"


@pytest.mark.parametrize(("changes", "dead"), [
    ({}, True), ({"http": Known(SLOW), "tcp": Known(SLOW)}, True),      # the kernel's table shows its listener
    ({"http": Known(REFUSED), "tcp": Known(REFUSED), "listener": Known(None)}, False),      # nothing listens at either
])
def test_the_block_that_leads_nowhere_is_the_one_to_remove(changes: dict[str, Any], dead: bool) -> None:
    scene = two().endpoint(1, **changes)
    (need,) = found(scene).repairs[0].needs
    assert ("nothing listens where the first leads, and something does where the second leads" in need.why) is dead
    one = two().endpoint(1, **changes)
    old = block(SITE, NEW, "shop.example")
    one.extra["servers"] = (old, replace(old, span=Span(SITE, 7, 0, 6)))
    told = found(one).repairs[0].manual
    assert told.startswith(f"remove the first block, {SITE}:1: nginx uses it, and nothing listens where it leads. Keep {SITE}:7"
                           if dead else f"remove one of the two blocks: {SITE}:1 or {SITE}:7.")


def test_a_block_of_which_another_location_is_served_is_not_dead() -> None:
    scene = two()
    scene.written, scene.spots = (*scene.written, "127.0.0.1:8000"), [*scene.spots, scene.spots[1]]
    scene.route[2] = {"server_index": 0, "server_names": ("shop.example",), "location": "/api/"}
    assert "nothing listens" not in found(scene).repairs[0].needs[0].why


def caught(host: str = "www.shop.example", *, names: tuple[str, ...] = ("shop.example",), default: bool = True) -> Scene:
    scene = two(("archive.example",), names, default=default, status=GOOD)
    scene.events = [replace(e, raw=f'{e.raw}, host: "{host}"') for e in scene.events]
    return scene


def test_hit_a_name_that_no_block_lists() -> None:
    first = found(caught())
    assert (first.role, first.confidence, first.routes) == ("root", "likely", ("r1",))
    assert "www.shop.example" in first.summary and first.evidence[0].source == "nginx-log"
    (repair,) = first.repairs
    assert [n.key for n in repair.needs] == ["server_name"] and not repair.steps
    write, check, reload = found(caught(), server_name="www.shop.example").repairs[0].steps
    assert isinstance(write, WriteFile) and b"server_name shop.example www.shop.example;" in (write.after or b"")
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)


def test_a_name_in_the_log_never_outweighs_a_service_that_listens_elsewhere() -> None:
    scene = caught().with_service(service("archive.service", 9112, 300), listener(9112, 300))
    assert roots(diagnose(made(scene))) == ["wrong-port"]


def test_nor_several_services_of_which_one_may_be_meant() -> None:
    """A slow look did not see whose port is whose: the default server has a service all the same."""
    scene = caught().with_service(service("stock.service", 9112, 300), listener(9112, 300))
    scene = scene.with_service(service("crew.service", 9113, 301), listener(9113, 301))
    assert "wrong-server-block" not in roots(diagnose(made(scene)))


def test_a_person_says_which_of_several_blocks_is_meant() -> None:
    scene = caught()
    scene.route[1]["server_index"] = 1
    first, second = scene.extra["servers"]
    other = replace(second, names=("b.example",), names_span=Span(SITE, 33, second.names_span.start, second.names_span.end))
    scene.extra["servers"] = (first, second, other)
    scene.written, scene.spots = (*scene.written, "127.0.0.1:8000"), [*scene.spots, scene.spots[1]]
    scene.spots.append(scene.spots[1])
    scene.route[2] = {"server_index": 2, "server_names": ("b.example",)}
    repair = found(scene).repairs[0]
    assert [n.key for n in repair.needs] == ["server_name", "into"]


def test_a_block_whose_file_cannot_be_written() -> None:
    scene = caught()
    scene.files.pop()
    assert found(scene, server_name="www.x.example").repairs[0].risk == "manual"
    nameless = caught()
    first, second = nameless.extra["servers"]
    nameless.extra["servers"] = (first, replace(second, names_span=None))
    assert found(nameless).repairs[0].risk == "manual"
    elsewhere = caught()
    first, second = elsewhere.extra["servers"]
    elsewhere.extra["servers"] = (first, replace(second, names_span=Span(SITE, 3, 3, 3)))
    assert found(elsewhere, server_name="www.x.example").repairs[0].risk == "manual"


@pytest.mark.parametrize("scene", [
    caught("10.0.0.7"), caught("archive.example"), caught("a.shop.example", names=("*.shop.example",)),
    caught("shop.example", names=(".shop.example",)), caught("www.shop.org", names=("www.shop.*",)),
    caught(names=("~^www",)), caught("x y"),
    two(("a.example",), ("b.example",)),
    caught().endpoint(0, configured_service="local/backend.service"),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(made(scene)), CAUSE), RuledOut)


def test_a_block_that_is_not_the_default_catches_nothing() -> None:
    scene = caught()
    first, second = scene.extra["servers"]
    second = replace(second, listens=(replace(second.listens[0], default_server=True),))
    scene.extra["servers"] = (replace(first, listens=(replace(first.listens[0], default_server=False),)), second)
    assert isinstance(verdict_of(diagnose(made(scene)), CAUSE), RuledOut)


def test_unknown() -> None:
    blind = two().endpoint(0, listener=Unknown("not root"), tcp=Unknown("no probe"))
    assert isinstance(verdict_of(diagnose(made(blind)), CAUSE), Undetermined)
    unread = two()
    unread.nginx["config"] = Unknown("denied")
    assert isinstance(verdict_of(diagnose(made(unread)), CAUSE), Undetermined)


@pytest.mark.parametrize(("names", "default", "told"), [
    (("_",), False, True), ((), False, True), (("_", "shop.example"), False, False), (("_",), True, False),
])
def test_a_server_without_a_name_that_is_the_default_nowhere_is_asked_by_nobody(
    names: tuple[str, ...], default: bool, told: bool,
) -> None:
    """What answered our request was the default server; it was told as an edit that nobody had loaded."""
    scene = two(("old.example",), names)
    scene.extra["servers"] = (scene.extra["servers"][0], block(SITE, NEW, *names, default=default))
    diagnosis = diagnose(made(scene))
    advice = [finding for finding in diagnosis.findings if (finding.cause, finding.role) == (CAUSE, "advice")]
    assert bool(advice) is told
    if told:
        assert f"no request reaches the server at {SITE}:1" in advice[0].summary and OLD_FILE in advice[0].summary
        assert "nginx-not-reloaded" not in roots(diagnosis)
        only = diagnose(made(two(("old.example",), names, status=GOOD)))
        assert [finding.role for finding in only.findings if finding.cause == CAUSE] == ["advice"]


def test_a_catch_all_that_hands_nothing_on_is_meant_so() -> None:
    scene = two(("old.example",), ("shop.example",))
    scene.extra["servers"] = (*scene.extra["servers"], block("/etc/nginx/conf.d/zz.conf", "server { return 444; }\n", "_"))
    diagnosis = diagnose(made(scene))
    assert not [finding for finding in diagnosis.findings if (finding.cause, finding.role) == (CAUSE, "advice")]


def test_very_many_servers_without_a_name_cost_their_number() -> None:
    """Each with a port of its own is the default there; those that come second at one are nobody's."""
    def at(port: int, *, default: bool = False) -> ServerBlock:
        return ServerBlock((Listen("0.0.0.0", port, False, default, False, Span("a", 2, 0, 0)),), ("_",), Span("a", 1, 0, 6), None)

    config = made(two()).nginxes[0].config
    assert isinstance(config, Known)
    servers = (*(at(port) for port in range(1, 20_001)), at(7), at(9, default=True))
    many = replace(config.value, servers=servers)
    assert many.nameless_servers() == {8, 20_000} and 20_001 in many.default_servers()


GONE = Unknown("the name does not resolve while its container is down")


def crashed(*asked: str, names: tuple[str, str] = ("shop.example", "shop.example"), **changes: object) -> Scene:
    """Both blocks name the container of the application, which ends again and again: nobody can connect to it now."""
    box = {"status": "restarting", "exit_code": 1, "restart_count": 8, "restart_policy": "always"}
    made = container_service("app", 8000, pid=None, box=box, log=log_lines("ValueError: no such region"), **changes)
    scene = Scene(*(asked or ("app:9370", "app:8000")), node="web", back="app").with_service(made)
    for index, name in enumerate(names):
        scene.endpoint(index, tcp=GONE, http=GONE, listener=GONE, addresses=Known(()), listening_service=None)
        scene.answers(BAD_GATEWAY, route=index)
        scene.route[index] = {"server_index": index, "server_names": (name,)}
    scene.files = [file(OLD_FILE, OLD, "web"), file(SITE, NEW, "web")]
    scene.extra["servers"] = (block(OLD_FILE, OLD, names[0]), block(SITE, NEW, names[1]))
    return scene


def test_an_old_block_is_named_while_nobody_can_connect_to_the_container_that_both_name() -> None:
    """The container would not listen at the first block's port if it ran: its files put it at the second one's."""
    scene = crashed()
    line = 'conflicting server name "shop.example" on 0.0.0.0:80, ignored'
    scene.events.insert(0, error_event(
        NOW - 3000, "warn", line, None, "", "", "", "", "", where="docker logs web:1", raw=f"[warn] 1#1: {line}"))
    diagnosis = diagnose(made(scene))
    first = finding_of(diagnosis, CAUSE)
    assert roots(diagnosis) == [CAUSE, "crash-loop-gave-up"] and first.confidence == "likely"
    assert first.summary.endswith("The first leads to app:9370, where p-app-1 is not configured to listen")
    assert f"[warn] 1#1: {line}" in [shown.text for shown in first.evidence]
    assert "--port 8000" in [shown.text for shown in first.evidence]


@pytest.mark.parametrize(("asked", "changes"), [
    (("app:8000", "app:8000"), {}),                                              # it would listen there
    (("app:9370", "app:9371"), {}),                                              # nor is it configured for the second one
    ((), {"bindings": Unknown("no file says it")}),
])
def test_where_its_own_files_do_not_tell_the_blocks_apart_nothing_is_known(asked: tuple[str, ...], changes: dict[str, object]) -> None:
    verdict = verdict_of(diagnose(made(crashed(*asked, **changes))), CAUSE)
    assert isinstance(verdict, Undetermined) and verdict.missing[0].startswith("whether anything listens at app:")


def test_a_block_of_another_name_hides_nothing() -> None:
    assert CAUSE not in roots(diagnose(made(crashed(names=("old.example", "shop.example")))))


def test_a_socket_of_the_container_may_be_what_the_second_block_names() -> None:
    bound = binding(0)
    scene = crashed(bindings=Known((replace(bound, unix="/run/shop/app.sock"),)))
    scene.endpoint(1, unix="/run/shop/app.sock", port=0, host="", tcp=Known(REFUSED), http=Known(REFUSED))
    assert found(scene).confidence == "likely"


def test_a_closed_port_of_a_container_that_is_bound_elsewhere_is_the_old_blocks() -> None:
    scene = crashed()
    for index in (0, 1):
        scene.endpoint(index, tcp=Known(REFUSED), http=Known(REFUSED), listener=Known(None))
    diagnosis = diagnose(made(scene))
    assert CAUSE in roots(diagnosis) and "wrong-port" not in roots(diagnosis)


def test_the_block_that_takes_the_requests_comes_before_what_keeps_the_hidden_ones_service_down() -> None:
    """The second block is asked for one more name, so both faults show; the name of both meets the first block alone."""
    names = (("shop.example",), ("shop.example", "www.shop.example"))
    why = log_lines("ModuleNotFoundError: No module named 'desk'")
    scene = Scene("127.0.0.1:9999", "127.0.0.1:8000").with_service(failed_service("shop.service", log=why)).refused(0).refused(1)
    for index in (0, 1):
        scene.route[index] = {"server_index": index, "server_names": names[index]}
    scene.extra["servers"] = (block(OLD_FILE, OLD, *names[0]), block(SITE, NEW, *names[1]))
    assert roots(diagnose(made(scene))) == [CAUSE, "crash-code-error"]
