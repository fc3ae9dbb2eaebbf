#!/usr/bin/env bash
# What a person runs who has the runbook and kubectl: the steps of playbook.yaml, one after the other.
# Usage: script.sh INCIDENT FOLDER; says on standard output how many seconds its evidence took.
set -euo pipefail
incident=$1 folder=$2

component=$(kubectl get incident "$incident" -o 'jsonpath={.spec.component}')

begun=$EPOCHREALTIME
kubectl get configmap "$component" -o yaml --show-managed-fields > "$folder/$component.yaml"
sha256sum "$folder/$component.yaml" > "$folder/$component.sha256"
sync "$folder/$component.yaml" "$folder/$component.sha256"
awk -v from="$begun" -v to="$EPOCHREALTIME" 'BEGIN {printf "%.6f\n", to - from}'

kubectl patch configmap "$component" --type=merge -p '{"data":{"read-only":"true"}}' > /dev/null
[ "$(kubectl get configmap "$component" -o 'jsonpath={.data.read-only}')" = true ]
kubectl patch incident "$incident" --subresource=status --type=merge -p '{"status":{"phase":"Resolved"}}' > /dev/null
