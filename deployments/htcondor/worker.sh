#!/bin/bash
# Started by worker.sub: CLONE QUEUE NAME.
set -euo pipefail
# Secrets, which everybody could read in the batch system's queue: PREFECT_API_AUTH_STRING,
# AWS_SECRET_ACCESS_KEY ...
secrets=~/.config/overlayflow/worker.env
if [ -r "$secrets" ]; then
  set -a
  . "$secrets"
  set +a
fi
export OVERLAYFLOW_HOME="${_CONDOR_SCRATCH_DIR:-/tmp}/overlayflow"
export XDG_CACHE_HOME="$OVERLAYFLOW_HOME/cache"
export PREFECT_HOME="$OVERLAYFLOW_HOME/prefect"
# Prefect keeps files below TMPDIR under a fixed name: in /tmp, that of the first user.
export TMPDIR="$OVERLAYFLOW_HOME/tmp"
mkdir -p "$PREFECT_HOME" "$TMPDIR"
export PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30
export PREFECT_LOGGING_EXTRA_LOGGERS=tasks
export DO_NOT_TRACK=1
cd "$1"
exec .venv/bin/prefect worker start --type process --pool builders --work-queue "$2" --limit 1 \
  --name "$3"
