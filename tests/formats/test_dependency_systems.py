"""The table of systems that applications depend on: each name leads to one row, whoever writes it."""

from __future__ import annotations

import re

import pytest

from fixer.formats.dependency_systems import (
    BY_IMAGE,
    BY_PROGRAM,
    BY_SCHEME,
    SETTING_PATTERN,
    SYSTEMS,
    VARIABLE_PATTERN,
    is_named_in,
    port_of,
    system_at_port,
    system_in_text,
    system_of_unit,
    system_of_variable,
)


@pytest.mark.parametrize(("name", "is_one"), [
    ("DATABASE_URL", True), ("SHOP_DB_HOST", True), ("PG_HOST", True), ("REDIS", True), ("CELERY_BROKER_URL", True),
    ("POSTGRESQL_PORT", True), ("MEMCACHED_SERVERS", True), ("DEBUG", False), ("FEEDBACK", False), ("HOST", False), ("database_url", False),
])
def test_names_of_variables_about_a_dependency(name: str, is_one: bool) -> None:
    assert bool(re.fullmatch(VARIABLE_PATTERN, name)) is is_one


@pytest.mark.parametrize(("name", "is_one"), [
    ("db", True), ("databases", True), ("sqlalchemy", True), ("postgresql", True), ("rabbitmq", True), ("memcached", True), ("server", False),
    ("page", False), ("http", False),
])
def test_names_of_settings_about_a_dependency(name: str, is_one: bool) -> None:
    assert bool(re.fullmatch(SETTING_PATTERN, name)) is is_one


def test_no_name_leads_to_two_systems() -> None:
    for of_one in (lambda s: s.schemes, lambda s: s.variables, lambda s: s.programs, lambda s: s.images, lambda s: (s.port,)):
        names = [name for system in SYSTEMS for name in of_one(system)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_all_names_of_a_system_lead_to_its_row(system) -> None:     # type: ignore[no-untyped-def]
    assert (port_of(system.name), system_at_port(system.port)) == (system.port, system.name)
    assert {BY_SCHEME[name].name for name in system.schemes} == {BY_PROGRAM[name].name for name in system.programs} == \
        {BY_IMAGE[name].name for name in system.images} == {system.name}
    assert {system_of_variable(f"SHOP_{name}_URL") for name in system.variables} == {system.name}
    assert {system_in_text(f"cannot import {name}") for name in system.modules} == {system.name}


@pytest.mark.parametrize(("text", "system"), [
    ('connection to server at "db" (10.0.0.2), port 5432 failed: Connection refused', "postgresql"),
    ("Access denied for user 'shop'@'web'", "mysql"), ("WRONGPASS invalid username-password pair", "redis"),
    ("waiting for the broker", "rabbitmq"), ("pymongo.errors.ServerSelectionTimeoutError", "mongodb"),
    ("getaddrinfo ENOTFOUND pg", ""), ("lost connection to server; trying again", ""), ("page not found", ""),
])
def test_words_of_a_system(text: str, system: str) -> None:
    assert system_in_text(text) == system


@pytest.mark.parametrize(("text", "system", "is_one"), [
    ("waiting for pg", "postgresql", True), ("waiting for PostgreSQL", "postgresql", True), ("waiting for page 3", "postgresql", False),
    ("waiting for redis", "mysql", False), ("waiting", "", False),
])
def test_a_text_that_names_a_system(text: str, system: str, is_one: bool) -> None:
    assert is_named_in(text, system) is is_one


@pytest.mark.parametrize(("unit", "system"), [
    ("postgresql.service", "postgresql"), ("postgresql@17-main.service", "postgresql"), ("mariadb.service", "mysql"),
    ("redis-server@cache.service", "redis"), ("memcached.service", "memcached"), ("postgres_exporter.service", ""),
    ("redis-exporter.service", ""), ("postgresql.socket", ""), ("shop.service", ""),
])
def test_units_of_a_system(unit: str, system: str) -> None:
    assert system_of_unit(unit) == system


def test_what_is_unknown() -> None:
    assert (port_of("oracle"), system_at_port(80), system_of_variable("CACHE_URL")) == (0, "", "")
