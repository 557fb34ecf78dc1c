"""Tests of fixer/redaction/json_words.py."""

from __future__ import annotations

import json

import pytest

from fixer.redaction.json_words import mask_inspect
from fixer.redaction.masks import Masks

S = "kwtrbqzpdnvhgm"


@pytest.mark.parametrize("item", [
    {"Config": {"Env": [f"A={S}"]}}, {"Config": {"Entrypoint": ["mysql"], "Cmd": [f"-p{S}"]}}, {"Path": "mysql", "Args": [f"-p{S}"]}, {"Config": {"Labels": {"a": S}}}, {"Config": {"Cmd": ["app", "--any", S]}},
    {"Config": {"Healthcheck": {"Test": ["CMD-SHELL", f"curl -u a:{S} http://127.0.0.1/"]}}}, {"HostConfig": {"LogConfig": {"Config": {"token": S}}}}, {"Unknown": S},
])
def test_a_text_that_no_cause_reads(item: dict[str, object]) -> None:
    assert S not in json.dumps(mask_inspect([item], Masks()))


def test_what_causes_read_stays() -> None:
    item = {"Id": "0a1b2c3d" * 8, "Name": "/shop-web-1", "Image": "sha256:" + "0a1b2c3d" * 8, "State": {"Status": "running", "Pid": 7}, "Config": {
        "Env": ["PORT=8000"], "Cmd": ["uvicorn", "app:app", "--port", "8000"], "Labels": {"com.docker.compose.project": "shop"}}, "HostConfig": {"NetworkMode": "container:" + "0a1b2c3d" * 8}}
    assert mask_inspect([item], Masks()) == [item]
