#!/bin/sh
# What the training container runs: any stage, as `train experiment=linknet34 fold=0`; RANKS=2 trains in two processes.
set -u

processes=
if [ "${1:-}" = train ] && [ "${RANKS:-1}" -gt 1 ]; then
  shift
  processes=yes
  export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
  set -- python -m torch.distributed.run --standalone "--nproc-per-node=$RANKS" --max-restarts=10 \
    -m maskfold.stages.train "$@"
else
  set -- python -m maskfold "$@"
fi

# Where something is to be kept, exported or told elsewhere, or SageMaker has started this: see maskfold.job.
if [ -n "${MASKFOLD_KEEP:-}${MASKFOLD_MODEL:-}${MASKFOLD_PUBLISH:-}${MASKFOLD_FAILURE:-}" ] \
  || [ -d "${MASKFOLD_ML:-/opt/ml}/input" ]; then
  set -- python -m maskfold.job "$@"
fi

# The first process of a container is not ended by SIGTERM unless it asks for it, and has to take leave of processes
# that others leave behind: this shell does, hands the signal on, and ends with the job's own status.
asked=
trap 'asked=yes; [ -z "${!:-}" ] || kill -TERM "$!" 2> /dev/null' TERM INT
"$@" &
[ -z "$asked" ] || kill -TERM "$!"
wait "$!"
status=$?
while kill -0 "$!" 2> /dev/null; do # a signal ended the waiting, not the job
  wait "$!"
  status=$?
done
[ "$asked$processes$status" != yesyes1 ] || status=143 # torchrun's own is 1
exit "$status"
