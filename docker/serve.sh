#!/bin/sh
# What the service's container runs: the service, listening to other machines, so with a token (MASKFOLD_TOKEN, or a file
# mounted at /run/secrets/maskfold_token). Another stage is run by its name: cutout, review, quality.
set -eu

case "${1:-}" in
  cutout | quality | review | serve) stage=$1; shift ;;
  *) stage=serve ;;
esac

if [ "$stage" = serve ]; then
  set -- host=0.0.0.0 "port=${MASKFOLD_PORT:-8000}" "$@"
  if [ -z "${MASKFOLD_TOKEN:-}" ] && [ -f /run/secrets/maskfold_token ]; then
    set -- token_file=/run/secrets/maskfold_token "$@"
  fi
fi

# In this process's place: it gets SIGTERM itself, and what was taken in is answered before it ends.
exec python -m maskfold "$stage" "$@"
