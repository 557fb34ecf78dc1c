"""What the tests of fixer/observe/kernel/oom_log.py and others are built of."""

from __future__ import annotations

from fixer.model.facts import Known
from fixer.model.kernel import OomKill
from fixer.model.query import Answer
from fixer.observe.kernel.oom_log import KERNEL_LOG, UPTIME, kernel_log_of
from fixer.observe.view.node_view import view_of
from tests.observe.capture_builders import node

# recorded on Debian 13, kernel 6.18, cgroup v1, and shortened
DMESG = b"""[ 2725.855051] memory: usage 49152kB, limit 49152kB, failcnt 46
[ 2725.855255] [   1408]   999  1408    52448    11515    10112     1403         0   143360        0             0 python3
[ 2725.855260] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=6d94,mems_allowed=0,oom_memcg=/docker/6d94,task_memcg=/docker/6d94,task=python3,pid=1408,uid=999
[ 2725.855291] Memory cgroup out of memory: Killed process 1408 (python3) total-vm:209792kB, anon-rss:40448kB, file-rss:5612kB
[ 2725.964362] vethb072515: renamed from eth0
[ 2800.000001] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/system.slice/a.service,task=(x)y,pid=7,uid=0
[ 2800.000002] Out of memory: Killed process 7 (node) total-vm:1kB
[ 2801.000002] Out of memory: Killed process 8 (lost) total-vm:1kB
not a line of the kernel's
"""


def kills(name: str = "local", **answers: Answer) -> tuple[OomKill, ...] | str:
    found = {KERNEL_LOG: Answer("ok", DMESG), **({UPTIME: answers["uptime"]} if "uptime" in answers else {})}
    told = kernel_log_of(view_of(node(found, name=name))).kills
    return told.value if isinstance(told, Known) else told.reason
