#!/bin/sh
# {{title}}
cd {{folder}} || exit 1
{{#sources}}
set -a
. {{envfile}}
set +a
{{/sources}}
{{#exports}}
export {{secret_name}}='{{secret}}'
{{/exports}}
nohup {{command}} >>/tmp/{{word}}.log 2>&1 </dev/null &
