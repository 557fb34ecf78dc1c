"""What was learned, as people read it."""

from __future__ import annotations

from fixer.model.learned import LearnedService


def test_addresses_are_written_as_people_write_them() -> None:
    addresses = (("127.0.0.1", 8000, ""), ("::1", 9119, ""), ("", 0, "/run/shop.sock"))
    service = LearnedService("shop", "systemd", "python", (), "/srv", "app", addresses, ())
    assert service.reached_at == ("127.0.0.1:8000", "[::1]:9119", "/run/shop.sock")
