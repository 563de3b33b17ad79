#!/bin/bash
# Succeeds when GET /readyz on a port of this container answers 200, and shows the answer. Not in Python, whose start costs a
# hundred times as much: every container of ours runs this every few seconds.
# ready.sh PORT
exec 3<> "/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
while IFS= read -r line && [ "$line" != $'\r' ]; do :; done <&3
cat <&3
[ "$status" = 200 ]
