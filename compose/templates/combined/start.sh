#!/bin/sh
# {{title}}: everything that this container runs
set -e
{{#unix}}
install -d -o {{user}} -g {{user}} /run/{{word}}
{{/unix}}
{{#manager=supervisord}}
exec /usr/bin/supervisord -n -c /etc/supervisor/supervisord.conf
{{/manager}}
{{#manager=entrypoint}}
{{#exports}}
export {{secret_name}}='{{secret}}'
{{/exports}}
{{programs}}
exec nginx -g 'daemon off;'
{{/manager}}
