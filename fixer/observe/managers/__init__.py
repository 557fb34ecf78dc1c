"""Who starts what no unit and no container keeps: cron, rc.local, init scripts, run folders, what was learned."""
