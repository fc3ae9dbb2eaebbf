"""Decisions about a step: what each verb needs and what it may not have. Read by the models and by the API server alike."""

from __future__ import annotations

from typing import Any

BASE: dict[str, Any] = {"incidentRef": {"name": "frontend-502", "uid": "6f1c"}, "by": "bob", "reason": "seen by myself"}
STEP = {"option": "undo", "step": "scale"}
DIGEST = "sha256:" + "a" * 64
PLANNED = {"role": "incident-commander", "option": "undo", "planDigest": DIGEST}

GOOD: dict[str, dict[str, Any]] = {
    "confirm": {"verb": "Confirm", **STEP},
    "confirm under a role": {"verb": "Confirm", "role": "dba", **STEP},
    "extend": {"verb": "Extend", **STEP, "extendBy": "1h"},
    "extend by the least": {"verb": "Extend", **STEP, "extendBy": "60s"},
    "extend by the most": {"verb": "Extend", **STEP, "extendBy": "168h"},
    "revert": {"verb": "Revert", **STEP},
    "revert all": {"verb": "Revert"},
    "reject of a step": {"verb": "Reject", **STEP},
    "reject of an option": {"verb": "Reject", **PLANNED},
}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "confirm of nothing": ({"verb": "Confirm"}, "Confirm and Extend need option and step"),
    "confirm of an option": ({"verb": "Confirm", "option": "undo"}, "Confirm and Extend need option and step"),
    "extend of nothing": ({"verb": "Extend", "extendBy": "1h"}, "Confirm and Extend need option and step"),
    "extend by nothing": ({"verb": "Extend", **STEP}, "Extend needs extendBy, and only Extend may have it"),
    "extend by too little": ({"verb": "Extend", **STEP, "extendBy": "59s"}, "expected a duration from 1m to 168h"),
    "extend by too much": ({"verb": "Extend", **STEP, "extendBy": "168h1s"}, "expected a duration from 1m to 168h"),
    "extend backwards": ({"verb": "Extend", **STEP, "extendBy": "-1h"}, "extendBy"),
    "revert of an option": ({"verb": "Revert", "option": "undo"}, "Revert needs option and step, or neither of them"),
    "revert at another time": ({"verb": "Revert", **STEP, "extendBy": "1h"}, "only Extend may have it"),
    "a step without its option": ({"verb": "Reject", "step": "scale"}, "step needs option"),
    "a step of a plan": ({"verb": "Reject", **STEP, "planDigest": DIGEST}, "step and planDigest exclude each other"),
    "an approval of a step": (
        {"verb": "Approve", **PLANNED, "step": "scale"},
        "step is for Confirm, Extend, Revert and Reject only",
    ),
    "a note about a step": ({"verb": "Note", **STEP}, "step is for Confirm, Extend, Revert and Reject"),
    "an abort with a time": ({"verb": "Abort", "extendBy": "1h"}, "only Extend may have it"),
    "a rejection of nothing": ({"verb": "Reject", "option": "undo"}, "Approve and Reject need role, option and planDigest"),
    "a step that is no name": ({"verb": "Revert", "option": "undo", "step": "../scale"}, "step"),
    **{
        f"{verb} without a reason": ({"verb": verb, **STEP, "reason": None, **more}, "reason is required: say why")
        for verb, more in (("Confirm", {}), ("Extend", {"extendBy": "1h"}), ("Revert", {}), ("Reject", {}))
    },
}


def spec(change: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A Decision's spec; what is None is left out."""
    return {key: value for key, value in {**BASE, **change, **more}.items() if value is not None}
