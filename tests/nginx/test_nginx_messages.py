"""The messages of nginx's source: what script/nginx_messages.py reads of a tree, and that the committed data is its work."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.nginx.message_lines import lines_of, rows

SCRIPT = Path(__file__).parents[2] / "script" / "nginx_messages.py"
SOURCE = r"""
static char *
ngx_http_proxy_pass(ngx_conf_t *cf)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid \"%V\" value", &value);
}

static void
ngx_http_proxy_handler(ngx_event_t *ev)
{
    /* ngx_log_error(NGX_LOG_ERR, log, 0, "gone"); */
    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "upstream sent (%s) "
                  "twice: \"%V\"", f(a, ")"), &value);
    ngx_log_error(NGX_LOG_ALERT, log, ngx_socket_errno, ngx_socket_n " failed");
    ngx_connection_error(c, ngx_socket_errno, "recv() failed");
    ngx_log_error(NGX_LOG_INFO, log, 0, "done");
    ngx_log_error(NGX_LOG_ERR, log, 0, text);
}

static ngx_int_t
ngx_http_proxy_set_ssl(ngx_conf_t *cf)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no key");
}
"""


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("messages_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module     # for its dataclass
    spec.loader.exec_module(module)
    return module


def test_a_source_tree_is_read(messages: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "src/http/modules").mkdir(parents=True)
    (tmp_path / "src/os/unix").mkdir(parents=True)
    (tmp_path / "src/http/modules/ngx_http_proxy_module.c").write_text(SOURCE)
    (tmp_path / "src/os/unix/ngx_socket.h").write_text('#define ngx_socket_n   "socket()"\n')
    assert [str(message) for message in messages.messages_of(tmp_path)] == [
        'config\temerg\t-\thttp_proxy_module\tinvalid "%V" value',
        "notice\tinfo\t-\thttp_proxy_module\tdone",
        "run\tconnection\terrno\thttp_proxy_module\trecv() failed",
        "run\talert\terrno\thttp_proxy_module\tsocket() failed",
        'run\terror\t-\thttp_proxy_module\tupstream sent (%s) twice: "%V"',
        "start\temerg\t-\thttp_proxy_module\tno key",
    ]


def test_the_data_has_the_digest_of_its_source(messages: ModuleType) -> None:
    text = messages.DATA.read_text(encoding="utf-8")
    version, found = messages.read_data(text)
    assert version == "nginx 1.26.3" and messages.data_text(version, found) == text
    assert (len(rows("run")), len(rows("config"))) == (207, 69)


def test_every_message_becomes_at_least_one_line() -> None:
    """A rule that fits no message is a mistake in its words."""
    assert all(list(lines_of(row)) for row in rows("run"))
    assert not [line.text for row in rows("run") for line in lines_of(row) if "%" in line.said]
