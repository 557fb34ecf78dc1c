"""What the kernel tells: processes, sockets, routes, packet filters, limits, kills."""
