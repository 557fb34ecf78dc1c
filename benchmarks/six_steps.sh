#!/bin/bash
PORT=${PORT:-8000}; UNIT=${UNIT:-backend}
ps aux | grep -E '[u]vicorn'
lsof -nP -i :"$PORT"
netstat -tlnp 2>/dev/null | grep -E ":$PORT\b"
curl -sS -m 5 -o /dev/null -w 'HTTP %{http_code}\n' "http://127.0.0.1:$PORT/health"
grep -n proxy_pass /etc/nginx/sites-enabled/*
tail -n 50 /var/log/nginx/error.log | grep -Ei '502|bad gateway|upstream'
journalctl -u "$UNIT" -n 50 --no-pager
