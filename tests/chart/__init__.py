"""The Helm chart of `manifests/chart`, made out of the kustomizations beside it: `python -m tests.chart manifests/chart`."""
