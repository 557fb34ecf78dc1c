"""Constructed captures of RHEL 9 and its rebuilds: SELinux, firewalld, nginx of AppStream and of nginx.org."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.plan import SetBoolean
from tests.distributions.constructed_disk import folder, text, unix_socket
from tests.distributions.constructed_machine import (
    Listening,
    Machine,
    assert_healthy,
    connect_line,
    edited_files,
    exec_start,
    first_of,
    journal,
    repair_text,
    unit,
)
from tests.distributions.python_server import application
from tests.distributions.rhel import (
    COMMAND,
    DEPLOY,
    HTTPD,
    NGINX,
    SHOP_UNIT,
    SITE,
    SITE_FILE,
    SOCKET,
    SOCKET_SITE,
    asking_another_machine,
    denials,
    denied_connect,
    rhel,
)

BACKEND = "http://127.0.0.1:8000/"
SHOP = "shop.example"
DENIED = connect_line(BACKEND, "13: Permission denied", server=SHOP)
REFUSED = connect_line(BACKEND, "111: Connection refused", server=SHOP)
SHUT_SOCKET = connect_line(f"http://unix:{SOCKET}:/", "13: Permission denied", server=SHOP)
PYTHON = "/opt/shop/venv/bin/python3"


def audited(machine: Machine, *records: str) -> Machine:
    return replace(machine, commands={**machine.commands, **denials(*records)})


def with_command(machine: Machine, command: str, line: Listening) -> Machine:
    """The machine whose unit runs that command, which listens there."""
    moved = machine.moved(90, line, (PYTHON, *command.split())).with_unit("shop.service", {"ExecStart": exec_start(command)})
    return moved.with_files({"/etc/systemd/system/shop.service": text(SHOP_UNIT.format(command=command))})


def with_socket(path: str, mode: int) -> Machine:
    """The machine whose gunicorn has a unix socket there, in a folder of that mode."""
    command = COMMAND.replace("127.0.0.1:8000", f"unix:{path}")
    machine = with_command(rhel(SOCKET_SITE.replace(SOCKET, path)), command, Listening((90, 91), path=path))
    home, own = "/".join(path.split("/")[:3]), path.rpartition("/")[0]
    return machine.with_files({own: folder(0o755, DEPLOY, NGINX), home: folder(mode, DEPLOY, DEPLOY),
                               path: unix_socket(0o777, DEPLOY, NGINX)})


@pytest.mark.parametrize("of_nginx_org", [False, True])
def test_healthy_is_healthy(of_nginx_org: bool) -> None:
    assert_healthy(rhel(of_nginx_org=of_nginx_org))


@pytest.mark.parametrize("of_nginx_org", [False, True])
def test_selinux_denies_the_connect(of_nginx_org: bool) -> None:
    """As installed: httpd_can_network_connect is off."""
    machine = audited(rhel(of_nginx_org=of_nginx_org, connects=False), denied_connect(8000, "soundd_port_t"))
    found = first_of(machine.failing(DENIED).diagnosed())
    assert (found.cause, found.variant, found.confidence) == ("mac-denied", "selinux-connect-denied", "certain")
    assert found.repairs[0].steps == (SetBoolean("local", "httpd_can_network_connect", value=True, was=False),)
    assert "setsebool -P httpd_can_network_connect 1" in repair_text(found)
    assert any("soundd_port_t" in evidence.text for evidence in found.evidence)


def test_selinux_denies_a_type_of_port_that_the_boolean_does_not_cover() -> None:
    machine = audited(rhel(connects=True), denied_connect(8000, "reserved_port_t"))
    found = first_of(machine.failing(DENIED).diagnosed())
    assert (found.cause, found.variant) == ("mac-denied", "selinux-connect-denied")
    assert "semanage port -a -t http_port_t -p tcp 8000" in repair_text(found)


@pytest.mark.parametrize("of_nginx_org", [False, True])
def test_a_stopped_nginx(of_nginx_org: bool) -> None:
    machine = rhel(of_nginx_org=of_nginx_org)
    stopped = {"ActiveState": "inactive", "SubState": "dead", "MainPID": "0", "ControlGroup": "",
               "ActiveEnterTimestampMonotonic": "0"}
    diagnosis = machine.without(40, 41).with_unit("nginx.service", stopped).diagnosed()
    found = first_of(diagnosis)
    assert (found.cause, found.variant) == ("nginx-down", "nginx-stopped")
    assert len(diagnosis.health) == 1 and "start nginx.service" in repair_text(found)
    assert "CONFFILE" not in repair_text(found)


def test_another_port_in_a_file_of_conf_d() -> None:
    machine = with_command(rhel(), COMMAND.replace("8000", "8001"), Listening((90, 91), "127.0.0.1", 8001))
    found = first_of(machine.failing(REFUSED).diagnosed())
    assert (found.cause, found.variant, edited_files(found)) == ("wrong-port", "wrong-port", [SITE_FILE])


def test_another_port_in_the_servers_own_default_d() -> None:
    """AppStream's nginx.conf has a server, whose locations stand in files of /etc/nginx/default.d."""
    path = "/etc/nginx/default.d/shop.conf"
    location = "location /api/ {\n    proxy_pass http://127.0.0.1:8002/;\n}\n"
    machine = rhel().with_files({SITE_FILE: None, path: text(location)})
    found = first_of(machine.failing(connect_line("http://127.0.0.1:8002/", "111: Connection refused")).diagnosed())
    assert (found.cause, edited_files(found)) == ("wrong-port", [path])


def test_a_stopped_unit() -> None:
    stopped = unit("shop.service", COMMAND, User="deploy", Group="nginx", WorkingDirectory="/opt/shop", Type="notify")
    found = first_of(rhel().without(90, 91).with_unit("shop.service", stopped).failing(REFUSED).diagnosed())
    assert (found.cause, found.variant, found.service) == ("backend-down", "backend-not-running", "shop.service")
    assert "start shop.service" in repair_text(found)


def test_what_a_permissive_machine_records_is_no_denial() -> None:
    """Amazon Linux 2023 as installed: SELinux records what it would deny, and denies nothing."""
    machine = rhel(connects=False).with_files({"/sys/fs/selinux/enforce": text("0")})
    recorded = denials(denied_connect(8000, "soundd_port_t"), permissive=True)
    assert_healthy(replace(machine, commands={**machine.commands, **recorded}))
    stopped = unit("shop.service", COMMAND, User="deploy", Group="nginx", WorkingDirectory="/opt/shop", Type="notify")
    broken = replace(machine.without(90, 91).with_unit("shop.service", stopped), commands={**machine.commands, **recorded})
    assert first_of(broken.failing(REFUSED).diagnosed()).cause == "backend-down"


def test_a_socket_in_a_home_folder_is_closed_by_its_mode() -> None:
    """HOME_MODE is 0700. The kernel looks at modes first: SELinux was not asked."""
    found = first_of(with_socket(SOCKET, 0o700).failing(SHUT_SOCKET).diagnosed())
    assert (found.cause, found.confidence) == ("unix-socket-permission", "certain")
    assert "nginx may not enter the folder /home/deploy" in found.summary and "RuntimeDirectory=" in repair_text(found)


@pytest.mark.parametrize(("record", "said", "how"), [
    ('{ search } for  pid=41 comm="nginx" name="deploy" dev="dm-0" ino=84 scontext=' + HTTPD
     + " tcontext=unconfined_u:object_r:user_home_dir_t:s0 tclass=dir", "user_home_dir_t", "RuntimeDirectory="),
    ('{ write } for  pid=41 comm="nginx" name="shop.sock" dev="dm-0" ino=84 scontext=' + HTTPD
     + " tcontext=system_u:object_r:user_home_t:s0 tclass=sock_file", "user_home_t",
     f"semanage fcontext -a -t httpd_var_run_t '{SOCKET}'"),
])
def test_selinux_denies_a_socket_in_an_open_home_folder(record: str, said: str, how: str) -> None:
    found = first_of(audited(with_socket(SOCKET, 0o711), record).failing(SHUT_SOCKET).diagnosed())
    assert (found.cause, found.variant) == ("mac-denied", "selinux-connect-denied")
    assert said in found.summary and how in repair_text(found)


def test_selinux_denies_a_process_without_a_domain_of_its_own() -> None:
    path = "/run/shop/shop.sock"
    record = (f'{{ connectto }} for  pid=41 comm="nginx" path="{path}" scontext={HTTPD} '
              "tcontext=system_u:system_r:unconfined_service_t:s0 tclass=unix_stream_socket")
    line = connect_line(f"http://unix:{path}:/", "13: Permission denied", server=SHOP)
    found = first_of(audited(with_socket(path, 0o755), record).failing(line).diagnosed())
    assert found.cause == "mac-denied" and "unconfined_service_t" in found.summary and "audit2allow" in repair_text(found)


def test_systemd_may_start_no_program_of_a_home_folder() -> None:
    """SELinux denies systemd to execute user_home_t: 203, though each mode allows it to the unit's account."""
    program = "/home/deploy/shop/venv/bin/gunicorn"
    command = f"{program} --bind 127.0.0.1:8000 shop.wsgi:application"
    failed = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainCode": "1",
              "ExecMainStatus": "203",
              **dict.fromkeys(("InactiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic"), "940000000")}
    shown = unit("shop.service", command, User="deploy", Group="nginx", WorkingDirectory="/home/deploy/shop", Type="notify")
    log = journal(("systemd", "Starting gunicorn of the shop..."),
                  ("(gunicorn)", f"shop.service: Failed at step EXEC spawning {program}: Permission denied"),
                  ("systemd", "shop.service: Main process exited, code=exited, status=203/EXEC"),
                  ("systemd", "shop.service: Failed with result 'exit-code'."))
    machine = rhel().without(90, 91).with_unit("shop.service", {**shown, **failed}).with_files({
        **application(DEPLOY, "/home/deploy/shop", "python3.9"),
        "/etc/systemd/system/shop.service": text(SHOP_UNIT.format(command=command))})
    found = first_of(replace(machine, journals={"shop.service": log}).failing(REFUSED).diagnosed())
    assert (found.cause, found.variant) == ("unit-misconfigured", "start-203-exec-not-executable")
    assert "SELinux is enforcing" in found.summary and "may not enter" not in found.summary
    assert "semanage fcontext -a -t bin_t '/home/deploy/shop/venv/bin(/.*)?'" in repair_text(found)


def test_firewalld_lets_a_machine_reach_its_own_address() -> None:
    """What goes to an own address comes over lo, which firewalld lets pass: its rules are no cause of a closed port."""
    site = SITE.replace("127.0.0.1:8000", "10.0.0.5:8000")
    well = with_command(rhel(site), COMMAND.replace("127.0.0.1", "0.0.0.0"), Listening((90, 91), "0.0.0.0", 8000))
    assert_healthy(well)
    line = connect_line("http://10.0.0.5:8000/", "111: Connection refused", server=SHOP)
    found = first_of(rhel(site).failing(line).diagnosed())
    assert (found.cause, found.variant) == ("wrong-bind-address", "bound-other-interface")


def test_firewalld_of_the_backends_machine_rejects() -> None:
    """It answers what no zone allows with admin-prohibited: 113, at once."""
    machine = replace(asking_another_machine(), blocked={8000: ("unreachable", 113)})
    line = connect_line("http://10.0.0.9:8000/", "113: No route to host", server=SHOP)
    found = first_of(machine.failing(line).diagnosed())
    assert (found.cause, found.variant, found.confidence) == ("firewall-reject", "firewall-reject-113", "likely")
    assert "firewall-cmd --permanent --add-port=8000/tcp" in repair_text(found)


@pytest.mark.parametrize(("said", "how"), [
    ("bind() to 0.0.0.0:8880 failed (13: Permission denied)", "semanage port -a -t http_port_t -p tcp 8880"),
    (f'open() "{SITE_FILE}" failed (13: Permission denied) in /etc/nginx/nginx.conf:25', f"restorecon -v {SITE_FILE}"),
])
def test_selinux_lets_nginx_not_start(said: str, how: str) -> None:
    """A port without the type http_port_t; a file that was moved from a home folder. `nginx -t` of root passes."""
    failed = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "MainPID": "0", "ControlGroup": "",
              **dict.fromkeys(("InactiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic"), "940000000")}
    log = journal(("systemd", "Starting The nginx HTTP and reverse proxy server..."), ("nginx", f"nginx: [emerg] {said}"),
                  ("nginx", "nginx: configuration file /etc/nginx/nginx.conf test failed"),
                  ("systemd", "nginx.service: Control process exited, code=exited, status=1/FAILURE"),
                  ("systemd", "nginx.service: Failed with result 'exit-code'."))
    machine = rhel(SITE.replace("80;", "8880;")).without(40, 41).with_unit("nginx.service", failed)
    found = first_of(replace(machine, journals={"nginx.service": log}).diagnosed())
    assert (found.cause, found.variant) == ("nginx-down", "nginx-stopped") and "SELinux is enforcing" in found.summary
    assert how in repair_text(found) and found.repairs[0].risk == "manual"
