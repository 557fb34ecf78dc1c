"""What `error_page` makes of a 502: another status, or a page that may itself fail."""

from __future__ import annotations

import pytest

from tests.nginx.config_builders import read


@pytest.mark.parametrize(("outer", "inner", "said"), [
    (b"", b"", ""), (b"error_page 502 /50x.html;", b"", ""), (b"error_page 404 =200 /a;", b"", ""),
    (b"error_page 500 502 =200 /sorry.html;", b"", "error_page 500 502 =200 /sorry.html"),
    (b"error_page 504 = @other;", b"", "error_page 504 = @other"), (b"error_page 502 @other;", b"", ""),
    (b"error_page 502 https://status.example;", b"", "error_page 502 https://status.example"),
    (b"error_page 502 =503 /sorry.html;", b"", ""),
    (b"error_page 502 =200 /sorry.html;", b"error_page 404 /x;", ""),        # none is taken from above
    (b"error_page 502 /x;", b"error_page 502 =200 /y;", "error_page 502 =200 /y"),
])
def test_an_error_page_that_gives_another_status(outer, inner, said):
    config = read(b"server { %b location / { %b proxy_pass http://127.0.0.1:1; } }" % (outer, inner))
    assert config.routes[0].masked_by.partition(",")[0] == said


@pytest.mark.parametrize(("pages", "said"), [
    (b"", ""), (b"error_page 404 /a;", ""), (b"error_page 502 =200 /a;", ""), (b"error_page 502 @other;", ""),
    (b"error_page 502 https://status.example;", ""), (b"error_page 404 /a; error_page 500 502 /b;", "error_page 500 502 /b"),
])
def test_an_error_page_that_may_itself_fail(pages, said):
    config = read(b"server { %b location / { proxy_pass http://127.0.0.1:1; } }" % pages)
    assert config.routes[0].failing_page.partition(",")[0] == said
