#!/bin/bash
# Formats the storage if it is new, then becomes the broker. Runs in a container of apache/kafka.
# start.sh TOLD DATA: TOLD is the folder of server.properties, format.arguments and run.arguments, which broker.py writes; they
# are waited for. DATA is the folder of the records. ADVERTISED_LISTENERS, if set, takes the place of what the settings say.
set -euo pipefail
told=$1 data=$2
until [ -s "$told/run.arguments" ]; do sleep 0.1; done
if [ ! -f "$data/meta.properties" ]; then
  # What it says holds the administrator's SCRAM keys, so it is shown in no log but on a failure.
  said=$(java "@$told/format.arguments" 2>&1) || { echo "$said"; exit 1; }
fi
exec java "@$told/run.arguments" ${ADVERTISED_LISTENERS:+--override "advertised.listeners=$ADVERTISED_LISTENERS"}
