"""Tests of lab/stack/authority.py."""

from __future__ import annotations

import http.server
import ssl
import stat
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lab.stack import images
from lab.stack.authority import Certificate, certificate_paths, new_certificate, save_certificate


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    own, key = save_certificate(tmp_path / "classes", "class-1", Certificate("a", "b", "c"))
    assert (own.read_text(), key.read_text()) == ("b", "c") and (own, key) == certificate_paths(tmp_path / "classes", "class-1")[1:]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (tmp_path / "classes").iterdir())


@pytest.mark.docker
def test_who_trusts_the_authority_trusts_that_address_only(tmp_path: Path) -> None:
    images.ensure(lambda line: None, ["machine"])
    made = new_certificate("127.0.0.1")
    own, key = save_certificate(tmp_path, "x", made)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"https://127.0.0.1:{server.server_port}/"
    trusting = ssl.create_default_context(cadata=made.authority)
    with pytest.raises(urllib.error.HTTPError, match="501"):      # it speaks: the certificate was accepted
        urllib.request.urlopen(url, context=trusting, timeout=10)
    with pytest.raises(urllib.error.URLError, match="verify failed"):
        urllib.request.urlopen(url.replace("127.0.0.1", "localhost"), context=trusting, timeout=10)
    with pytest.raises(urllib.error.URLError, match="verify failed"):
        urllib.request.urlopen(url, context=ssl.create_default_context(), timeout=10)
    server.shutdown()
    server.server_close()
    assert made.fingerprint.count(":") == 31 and "PRIVATE KEY" not in made.own + made.authority
