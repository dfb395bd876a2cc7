#!/bin/bash
# A recipe as a job on a Slurm cluster. Before the node is taken away, or the time is up, the run saves itself and the
# job goes back into the queue, where the same command goes on.
#
#   sbatch recipes/slurm.sh recipes/resnet18-imagenet.toml --data "$SCRATCH/imagenet" --out "$SCRATCH/resnet18" \
#     --set device=cuda --set dub.weights="$SCRATCH/resnet18-f37072fd.pth"
#
# Several GPUs of the node: sbatch --gres=gpu:4 ... --set devices=cuda:0,cuda:1,cuda:2,cuda:3
#SBATCH --job-name=crossdub
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120

crossdub run "$@" --workers "$SLURM_CPUS_PER_TASK" &
run=$!

# Slurm's warning goes to this shell, which hands it on and waits for the checkpoint.
go_on_later() {
  kill -TERM "$run" 2>/dev/null
  # A run that had just ended leaves nothing to go on with.
  if wait "$run"; then exit 0; fi
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
}
trap go_on_later TERM
wait "$run"
