"""Facts from the kernel: network tables, packet filters, security modules, cgroups, OOM kills."""
