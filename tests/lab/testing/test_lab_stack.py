"""Tests of lab/testing/lab_stack.py."""

from __future__ import annotations

import pytest

from lab.errors import UsageError
from lab.stack.docker_command import labelled_ids
from lab.testing.lab_stack import LabStack


def test_before_its_start_it_says_what_to_do_and_stop_is_no_error() -> None:
    stack = LabStack("wrong-port", seed=3)
    with pytest.raises(UsageError, match="is not up"):
        _ = stack.url
    stack.stop()


@pytest.mark.docker
def test_a_compose_project_of_testcontainers() -> None:
    """What the base class offers works on the lab, its own reaper never runs, and stop finds everything by label."""
    from testcontainers.core.container import Reaper

    with LabStack("wrong-port/container-wrong-port", seed=3) as stack:
        lab_id, lab = stack.id, stack.lab
        names = {container.Name for container in stack.get_containers()}
        assert {lab.container("web"), lab.container("backend")} <= names
        assert lab.url.endswith(f":{stack.get_service_port(lab.service('web'), lab.front_port)}")
        assert "nginx" in stack.exec_in_container(["nginx", "-V"], lab.service("web"))[1]
        assert stack.container == lab.container() and not stack.check().is_well
        assert Reaper._instance is None
    assert not labelled_ids("container", lab_id)
    stack.stop()
