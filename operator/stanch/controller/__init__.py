"""Ingest: what the cluster tells, by kopf, turned into keys that want a tick. The only importer of kopf."""
