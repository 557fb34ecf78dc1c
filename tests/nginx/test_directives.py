"""The tables of directives: what script/directives.py reads of a source tree, and that the committed data is its work."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fixer.nginx.directive_checks import IN_HTTP, IN_LOCATION, IN_SERVER, IN_UPSTREAM, MAIN, Context, complain
from fixer.nginx.directives import CORE, ELSEWHERE, EVENTS, HTTP
from fixer.nginx.tree import parse

SCRIPT = Path(__file__).parents[2] / "script" / "directives.py"
SOURCE = r"""
#include <ngx_core.h>
/* static ngx_command_t old[] = { { ngx_string("gone"), NGX_MAIN_CONF|NGX_CONF_TAKE1, x }, */
static ngx_command_t  ngx_http_thing_commands[] = {

    { ngx_string("thing"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LIF_CONF
                       |NGX_CONF_TAKE12,
      ngx_http_thing, 0, 0, NULL },
#if (NGX_SSL)
    { ngx_string("thing_block"), NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS, ngx_http_thing, 0, 0, NULL },
#endif
    { ngx_string("thing_flag"),
#if (NEWER)
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
#else
      NGX_HTTP_LOC_CONF|THING_CONF,
#endif
      ngx_conf_set_flag_slot, 0, 0, NULL },

      ngx_null_command
};
"""


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("directives_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module     # for its dataclasses
    spec.loader.exec_module(module)
    return module


def test_a_source_tree_is_read(tables: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = tmp_path / "nginx-1.99.0"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "ngx_http_thing_module.c").write_text(SOURCE)
    (tree / "src" / "thing.h").write_text("#define THING_CONF  (NGX_CONF_1MORE \\\n  |0x00000200)\n")
    assert tables.version_of(tree) == "nginx 1.99.0"
    assert [str(row) for row in tables.rows_of(tree)] == [
        "thing\thttp\tserver,location-if\t1,2\tngx_http_thing_module",
        "thing_block\thttp\thttp\t0,{}\tngx_http_thing_module",
        "thing_flag\thttp\tlocation\tflag\tngx_http_thing_module",
        "thing_flag\thttp\tlocation\tflag,1+\tngx_http_thing_module",
    ]
    assert capsys.readouterr().err == ""


def test_the_module_is_made_of_the_data(tables: ModuleType) -> None:
    digests, rows = tables.read_data(tables.DATA.read_text(encoding="utf-8"))
    assert tables.module_text(digests, rows) == tables.MODULE.read_text(encoding="utf-8")


def test_each_table_in_the_data_has_the_digest_of_its_source(tables: ModuleType) -> None:
    text = tables.DATA.read_text(encoding="utf-8")
    digests, _ = tables.read_data(text)
    assert {tree: tables.digest_of(rows) for tree, rows in tables.tables_in(text).items()} == digests
    assert digests.keys() >= {"nginx 1.22.1", "nginx 1.26.3", "nginx 1.30.4", "nginx 1.31.4", "openresty 1.31.1.1",
                              "angie 1.12.1", "tengine 3.2.0", "freenginx 1.27.1"}


def test_since_when_a_directive_is_as_it_is(tables: ModuleType) -> None:
    _, rows = tables.read_data(tables.DATA.read_text(encoding="utf-8"))
    since = {(row.name, str(row).split("\t")[3]): held.get("nginx", "") for row, held in rows.items()}
    assert (since["keepalive", "1"], since["keepalive", "1,2"]) == ("1.10.0..1.29.6", "1.29.7..")
    assert since["http2_push", "1"] == "1.13.9.."      # known still, as one that does nothing


def test_any_shape_that_a_version_has_is_accepted(tables: ModuleType) -> None:
    """nginx 1.26 takes one argument, 1.30 two, a fork a block: all are accepted, whatever version reads the file."""
    rows = [tables.Row("x", "http", 0x10000002, "m"), tables.Row("x", "http", 0x12000004, "m"),
            tables.Row("x", "http", 0x02000101, "m"), tables.Row("y", "stream", 0x02000001, "m")]
    assert tables.merged(rows, "http") == {"x": (0x02002105, 0x10000006)}


@pytest.mark.parametrize(("text", "context"), [
    ("keepalive 32 local;", IN_UPSTREAM), ("keepalive 32;", IN_UPSTREAM), ("resolver 127.0.0.53;", IN_UPSTREAM),
    ("more_set_headers 'a: b';", IN_LOCATION), ("upstream_conf;", IN_LOCATION), ("status_zone a;", IN_SERVER),
    ("ssl on;", IN_SERVER), ("sticky cookie a;", IN_UPSTREAM), ("lua_code_cache off;", IN_HTTP), ("http3 on;", IN_SERVER),
    ("client_body_early_read on;", IN_SERVER), ("processes { }", MAIN),
])
def test_what_some_version_or_fork_accepts_is_no_mistake(text: str, context: Context) -> None:
    assert complain(parse(text.encode()).directives[0], context) is None


def test_no_name_is_in_two_places() -> None:
    assert not ELSEWHERE & (CORE.keys() | EVENTS.keys() | HTTP.keys())
