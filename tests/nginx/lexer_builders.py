"""What the tests of fixer/nginx/lexer.py and others are built of."""

from __future__ import annotations

from hypothesis import strategies as st

# Bytes that matter to the lexer, thickly sown.
CONFIG = st.lists(
    st.sampled_from([b'"', b"'", b";", b"{", b"}", b"\\", b"$", b"${", b"#", b"\n", b"\r\n", b" ", b"\t", b")", b"a", b"ab_c",
                     b"location /x", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x0b", b"x_by_lua_block", b"--", b"[[", b"]]", b"\\n"]),
    max_size=60,
).map(b"".join) | st.binary(max_size=200)
