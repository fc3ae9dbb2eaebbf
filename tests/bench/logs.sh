#!/usr/bin/env bash
# What a person runs to keep the logs of some pods: one after the other. Usage: logs.sh SELECTOR FOLDER
set -euo pipefail
selector=$1 folder=$2
for pod in $(kubectl get pods -l "$selector" -o name); do
  file=$folder/${pod#pod/}
  kubectl logs "$pod" --all-containers --timestamps > "$file.log"
  kubectl logs "$pod" --all-containers --timestamps --previous > "$file.previous.log" 2> /dev/null || true
done
sha256sum "$folder"/*.log > "$folder/sha256"
sync "$folder"/*.log "$folder/sha256"
