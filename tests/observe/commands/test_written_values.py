"""Tests of fixer/observe/commands/written_values.py."""

from __future__ import annotations

import pytest

from fixer.formats.shell_words import Piece, Word
from fixer.observe.commands.written_values import sourced_file_slot
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.services_builders import back, look, port

PATH = "/etc/systemd/system/back.service"


@pytest.mark.parametrize(("text", "files", "expected"), [
    ("ExecStart=uvicorn a --port 81", {}, 81), ("Environment=P=82\nExecStart=uvicorn a --port ${P}", {}, 82),
    ("EnvironmentFile=-/etc/e\nEnvironment=P=82\nExecStart=uvicorn a --port $P", {"/etc/e": "P=83\n"}, 83),
    ("EnvironmentFile=/etc/gone\nEnvironment=P=82\nExecStart=uvicorn a --port $P", {}, 82),
    ("ExecStart=/srv/run", {"/srv/run": "#!/bin/sh\nexec uvicorn a --port 84\n"}, 84),
    ("WorkingDirectory=/srv\nExecStart=/bin/bash run.sh", {"/srv/run.sh": "exec ./inner\n", "/srv/inner": "#!/bin/sh\nuvicorn a --port 85\n"}, 85),
    ("WorkingDirectory=/srv\nExecStart=gunicorn a", {"/srv/gunicorn.conf.py": "workers = 3\nbind = ['127.0.0.1:86']\n"}, 86),
    ("ExecStart=gunicorn -c /etc/g.py a", {"/etc/g.py": 'bind = "unix:/run/g.sock"\n'}, 0),
    ("ExecStart=gunicorn -b :87 -c /etc/g.py a", {"/etc/g.py": 'bind = ":1"\n'}, 87),
    ("Environment=GUNICORN_CMD_ARGS=--config=/etc/g.py\nExecStart=gunicorn a", {"/etc/g.py": 'bind = ":88"\n'}, 88),
    ("Environment=GUNICORN_CMD_ARGS=--bind=:89\nExecStart=gunicorn a", {"/gunicorn.conf.py": 'bind = ":1"\n'}, 89),
    ("WorkingDirectory=/srv\nExecStart=python3 main.py", {"/srv/main.py": "import uvicorn\nuvicorn.run(a, port=88)\n"}, 88),
    ("ExecStart=uvicorn a --port 1\nExecStart=\nExecStart=uvicorn a --port 89", {}, 89),
    ("ExecStart=/bin/sh -c 'cd /x && exec uvicorn a --port 90'", {}, 90),
    ("ExecStart=/srv/run --port 91", {"/srv/run": '#!/bin/sh\nexec uvicorn a "$@"\n'}, 91),
    ("ExecStart=/srv/run 94", {"/srv/run": "#!/bin/sh\nexec uvicorn a --port ${1:-8000}\n"}, 94),
    ("ExecStart=/bin/sh -c 'exec uvicorn a \"$@\"' sh --port 92", {}, 92),
    ("ExecStart=/usr/sbin/runuser app -s /bin/sh -c 'uvicorn a --port 93'", {}, 93),
    ("ExecStart=/bin/su - app -c 'cd /x && exec uvicorn a --port 95'", {}, 95),
    ("ExecStart=/usr/bin/flock -w 3 /run/l -c 'uvicorn a --port 96'", {}, 96),
    ("ExecStart=/usr/bin/timeout 1d /srv/run", {"/srv/run": "#!/bin/sh\nexec nice uvicorn a --port 97\n"}, 97),
    ("ExecStart=/usr/bin/systemd-socket-activate -l 127.0.0.1:98 uvicorn a --fd 3", {}, 98),
    ("ExecStart=/usr/bin/systemd-socket-activate --listen=99 -E A gunicorn a", {}, 99),
])
def test_where_a_unit_says_its_port(text: str, files: dict[str, str], expected: int) -> None:
    assert port(back(text, files=files)) == expected


def test_specifiers_of_systemd() -> None:
    show = SHOW.format("back@81.service", "active", 0).replace("back@81.service\n\n", "back@.service\n\n")
    seen = look(show=show, files={"/etc/systemd/system/back@.service": "[Service]\nExecStart=uvicorn %p --port %i --x 5%%\n"})
    found = next(s for s in seen.services if s.name == "back@81.service")
    assert port(found) == 81 and "5%" in [w.text for w in found.command] and "back" in [w.text for w in found.command]


def test_places_for_a_variable() -> None:
    text = "EnvironmentFile=/etc/e\nExecStart=uvicorn a"
    found = back(text, files={"/etc/e": "A=1"})
    assert [(s.file, s.style) for s in found.env_slots] == [("/etc/e", "env-file"), (PATH, "unit")]
    slot = found.env_slots[1]
    data = f"[Service]\n{text}"
    assert data[: slot.offset] + slot.template.format(name="K", value="v") + data[slot.offset :] == f"[Service]\nEnvironment=K=v\n{text}"
    assert [e.name for e in found.env] == ["A"] and found.env[0].defined_in == "/etc/e:1"
    assert back("Description=x").env_slots[0].style == "unit"


def test_arguments_that_a_server_reads_from_a_variable() -> None:
    written = '# x\nGUNICORN_CMD_ARGS="--bind=:80 --timeout=4"\n'
    found = back("EnvironmentFile=/etc/e\nExecStart=gunicorn -w 2 a", files={"/etc/e": written}).variable_arguments
    assert [(w.text, w.file, w.line, written[w.start:w.end]) for w in found] == [
        ("--bind=:80", "/etc/e", 2, "--bind=:80"), ("--timeout=4", "/etc/e", 2, "--timeout=4")]
    assert back("EnvironmentFile=/etc/e\nExecStart=uvicorn a", files={"/etc/e": written}).variable_arguments == ()


@pytest.mark.parametrize(("text", "exported", "template"), [
    ("A=1\n", False, "export {name}={value}\n"), ("export A=1\n", True, "export {name}={value}\n"), ("A=1\n", True, "{name}={value}\n"), ("", True, "{name}={value}\n"),
])
def test_a_new_variable_of_a_sourced_file_is_exported_where_a_shell_passes_on_only_what_says_so(
        text: str, exported: bool, template: str) -> None:
    env = {"A": Word((Piece("1", "/srv/env.sh", 1, 2),), exported=exported)} if text else {}
    slot = sourced_file_slot("local", "/srv/env.sh", text.encode(), env)
    assert (slot.template, slot.offset) == (template, len(text))


def test_what_a_start_script_sources_is_exported_only_where_a_shell_says_so() -> None:
    files = {"/srv/run": "#!/bin/sh\ncd /srv\n. ./env.sh\nexport B\nuvicorn a --port 84\n", "/srv/env.sh": "A=1\nB=2\n"}
    found = next(s for s in look("ExecStart=/srv/run", files=files).services if s.name == "back.service")
    assert {one.name: (one.defined_in, one.exported) for one in found.env} == {
        "A": ("/srv/env.sh:1", False), "B": ("/srv/env.sh:2", True)}
