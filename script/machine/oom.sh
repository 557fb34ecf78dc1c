# boot: security=none
# The memory controller of cgroup v2: only there systemd says Result=oom-kill, and memory.events counts.
same "the tree is cgroup v2" cgroup2fs stat -fc %T /sys/fs/cgroup
if [ "$STAGE" = 1 ]; then
    install -d /etc/systemd/system/ledger.service.d
    printf '[Service]\nMemoryMax=90M\nMemorySwapMax=0\n' >/etc/systemd/system/ledger.service.d/memory.conf
    systemctl daemon-reload; systemctl restart ledger
    expect "visitors are well" answers 200
    for _ in 1 2 3 4 5 6; do curl -s -m 20 -o /dev/null http://127.0.0.1/report; done
    expect "the kernel killed it" systemctl is-failed ledger
    same "systemd says why" Result=oom-kill systemctl show ledger -p Result
    expect "visitors get 502" answers 502
    expect "fixer says so" first crash-oom oom-kill-result-cgroup-v2
    expect "fixer repairs it" fixer repair --yes --max-risk disruptive
    expect "visitors are well" answers 200
else
    expect "visitors are well after the boot" answers 200
    expect "fixer takes it back" fixer undo
    same "taken back, the limit is what it was" MemoryMax=94371840 systemctl show ledger -p MemoryMax
fi
