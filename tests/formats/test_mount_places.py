"""Where mounts would hold a file that is missing outside of all of them."""

from __future__ import annotations

import pytest

from fixer.formats.mount_places import files_at, places_in_mounts

CODE = ("/p/code", "/srv/unused", False)


def places(path: str, *mounts: tuple[str, str, bool]) -> list[tuple[str, str]]:
    return [(place.host, place.wanted) for place in places_in_mounts(path, mounts)]


def test_each_end_of_the_path_is_looked_for_below_the_source() -> None:
    assert places("/srv/shop/app/main.py", CODE) == [
        ("/p/code/main.py", "/srv/shop/app"), ("/p/code/app/main.py", "/srv/shop"), ("/p/code/shop/app/main.py", "/srv")]


def test_one_file_is_known_by_its_name_at_the_source() -> None:
    assert places("/etc/shop/words.json", ("/p/words.json", "/etc/words.json", False)) == [
        ("/p/words.json/words.json", "/etc/shop"), ("/p/words.json", "/etc/shop/words.json")]


@pytest.mark.parametrize("path", ["/srv/unused/main.py", "/srv/unused", "main.py", ""])
def test_below_a_mount_it_is_missing_at_the_source(path: str) -> None:
    assert places(path, CODE) == []


@pytest.mark.parametrize("path", ["/usr/bin/serve", "/etc/words.json", "/serve", "/usr/lib/python3/shop.py", "/proc/1/x"])
def test_nothing_is_mounted_over_what_images_fill(path: str) -> None:
    assert places(path, CODE) == []


@pytest.mark.parametrize(("path", "argv", "files"), [
    ("/srv/shop", ("gunicorn", "--chdir", "/srv/shop", "app.main:app"), ("/srv/shop/app/main.py",)),
    ("/srv/shop", ("gunicorn", "--chdir", "/srv/other", "app.main:app"), ("/srv/shop", "/srv/shop.js", "/srv/shop/index.js")),
    ("/srv/shop/main.py", ("python3", "/srv/shop/main.py"), ("/srv/shop/main.py",)),
    ("/srv/shop/main", ("node", "/srv/shop/main"), ("/srv/shop/main", "/srv/shop/main.js", "/srv/shop/main/index.js")),
])
def test_a_folder_of_the_command_misses_its_application(path: str, argv: tuple[str, ...], files: tuple[str, ...]) -> None:
    assert files_at(path, argv) == files
