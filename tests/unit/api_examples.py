"""Objects as people write them, good ones; each test spoils what it is about."""

from __future__ import annotations

from typing import Any

import yaml

PLAYBOOK = """
apiVersion: stanch.dev/v1alpha1
kind: Playbook
metadata: {name: frontend-down}
spec:
  summary: The frontend does not answer, or answers 502/503
  whenNotToUse: The database is down too; use database-connections first
  match: {types: [availability], severities: [P0, P1], components: [frontend]}
  serviceAccountName: frontend-remediator
  targets:
  - {name: app, kind: Deployment, nameFrom: "${incident.component}"}
  evidence:
    budget: 20s
    collect: [{logs: {target: app}}, {events: {}}, {describe: {target: app}}, {objects: {}}]
  options:
  - name: restart
    steps:
    - {name: restart, expect: "all pods ready within 2 min", rolloutRestart: {target: app}}
    verify:
    - {rollout: {target: app}, within: 2m}
    - {http: {service: frontend, port: 80, path: /health}, holdFor: 1m}
  - name: undo
    risk: Medium
    when: facts.lastDeploy.age < duration('30m')
    approval: {roles: {incident-commander: 1}}
    steps:
    - {name: undo, expect: "the last stable revision serves", rolloutUndo: {target: app, to: LastStable}}
    verify:
    - {http: {service: frontend, port: 80, path: /health}, holdFor: 5m}
"""

INCIDENT = """
apiVersion: stanch.dev/v1alpha1
kind: Incident
metadata: {name: frontend-502}
spec: {title: "502 on every page", type: availability, severity: P0, component: frontend, openedBy: alice, impact: "all users"}
"""

POLICY = """
apiVersion: stanch.dev/v1alpha1
kind: ResponsePolicy
metadata: {name: standard}
spec:
  default: true
  closeRole: incident-commander
  levels:
  - {name: P0, description: complete outage}
  - {name: P1, description: a main function is down}
  http: {allowedOrigins: ["https://status.example.org"]}
"""

DECISION = f"""
apiVersion: stanch.dev/v1alpha1
kind: Decision
metadata: {{name: approve-undo}}
spec:
  incidentRef: {{name: frontend-502, uid: 6f1c}}
  verb: Approve
  by: bob
  role: incident-commander
  option: undo
  planDigest: "sha256:{"a" * 64}"
"""


def playbook() -> dict[str, Any]:
    return yaml.safe_load(PLAYBOOK)


def incident() -> dict[str, Any]:
    return yaml.safe_load(INCIDENT)


def policy() -> dict[str, Any]:
    return yaml.safe_load(POLICY)


def decision() -> dict[str, Any]:
    return yaml.safe_load(DECISION)


def served(obj: dict[str, Any]) -> dict[str, Any]:
    """As the API server gives it back."""
    metadata = {"namespace": "aureus", "uid": "u-1", "generation": 3, "creationTimestamp": "2026-11-21T09:00:00Z"}
    return {**obj, "metadata": {**metadata, **obj["metadata"]}}
