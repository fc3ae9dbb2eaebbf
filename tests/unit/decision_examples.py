"""Decisions about a step: what each verb needs and what it may not have. Read by the models and by the API server alike."""

from __future__ import annotations

from typing import Any

from stanch.domain.decision import Verb

BASE: dict[str, Any] = {"incidentRef": {"name": "frontend-502", "uid": "6f1c"}, "by": "bob", "reason": "seen by myself"}
STEP = {"option": "undo", "step": "scale"}
DIGEST = "sha256:" + "a" * 64
PLANNED = {"role": "incident-commander", "option": "undo", "planDigest": DIGEST}
BROKEN = {"option": "undo", "planDigest": DIGEST, "ticket": "OPS-4711"}
READ = {"message": "status-page", "messageDigest": DIGEST}
# What each verb needs beside a reason, where it needs anything.
NEEDS: dict[Verb, dict[str, Any]] = {
    Verb.Approve: PLANNED,
    Verb.Reject: PLANNED,
    Verb.Confirm: STEP,
    Verb.Extend: {**STEP, "extendBy": "1h"},
    Verb.Revert: STEP,
    Verb.BreakGlass: BROKEN,
    Verb.Classify: {"severity": "P0"},
    Verb.Assign: {"role": "scribe", "assignee": "carol"},
    Verb.Release: {"role": "comms", **READ},
}

GOOD: dict[str, dict[str, Any]] = {
    "confirm": {"verb": "Confirm", **STEP},
    "confirm under a role": {"verb": "Confirm", "role": "dba", **STEP},
    "extend": {"verb": "Extend", **STEP, "extendBy": "1h"},
    "extend by the least": {"verb": "Extend", **STEP, "extendBy": "60s"},
    "extend by the most": {"verb": "Extend", **STEP, "extendBy": "168h"},
    "revert": {"verb": "Revert", **STEP},
    "revert all": {"verb": "Revert"},
    "reject of a step": {"verb": "Reject", **STEP},
    "break-glass": {"verb": "BreakGlass", **BROKEN},
    "break-glass under a role": {"verb": "BreakGlass", "role": "on-call", **BROKEN},
    "break-glass with a ticket's address": {"verb": "BreakGlass", **BROKEN, "ticket": "https://tickets.example.org/OPS-4711?x=1"},
    "close": {"verb": "Close"},
    "close with a postmortem": {"verb": "Close", "postmortem": "OPS-4712"},
    "close with a postmortem's address": {"verb": "Close", "postmortem": "https://wiki.example.org/postmortems/17"},
    "acknowledge": {"verb": "Acknowledge"},
    "acknowledge without a word": {"verb": "Acknowledge", "reason": None},
    "classify": {"verb": "Classify", "severity": "P0"},
    "hold": {"verb": "Hold"},
    "assign": {"verb": "Assign", "role": "scribe", "assignee": "carol"},
    "release": {"verb": "Release", "role": "comms", **READ},
    "release without a word": {"verb": "Release", "role": "comms", **READ, "reason": None},
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
    "break-glass without a ticket": ({"verb": "BreakGlass", **BROKEN, "ticket": None}, "BreakGlass needs option, planDigest and"),
    "break-glass without a reason": ({"verb": "BreakGlass", **BROKEN, "reason": None}, "reason is required: say why"),
    "break-glass of no option": ({"verb": "BreakGlass", **BROKEN, "option": None}, "BreakGlass needs option, planDigest and"),
    "break-glass of any plan": ({"verb": "BreakGlass", **BROKEN, "planDigest": None}, "BreakGlass needs option, planDigest and"),
    "break-glass of a step": ({"verb": "BreakGlass", **BROKEN, "step": "undo"}, "step is for Confirm, Extend, Revert and Reject"),
    "break-glass with a ticket of many words": ({"verb": "BreakGlass", **BROKEN, "ticket": "later, promised"}, "ticket"),
    "an approval with a ticket": ({"verb": "Approve", **PLANNED, "ticket": "OPS-4711"}, "ticket is for BreakGlass only"),
    "a resume with a postmortem": ({"verb": "Resume", "postmortem": "OPS-4712"}, "postmortem is for Close only"),
    "a close with a promise of a postmortem": ({"verb": "Close", "postmortem": "next week"}, "postmortem"),
    "a close with no postmortem": ({"verb": "Close", "postmortem": ""}, "postmortem"),
    "classify as nothing": ({"verb": "Classify"}, "Classify needs severity, and only Classify may have it"),
    "classify without a reason": ({"verb": "Classify", "severity": "P0", "reason": None}, "reason is required: say why"),
    "classify as what is no word": ({"verb": "Classify", "severity": "P" * 64}, "severity"),
    "acknowledge as grave": ({"verb": "Acknowledge", "severity": "P0"}, "only Classify may have it"),
    "hold without a reason": ({"verb": "Hold", "reason": None}, "reason is required: say why"),
    "assign nobody": ({"verb": "Assign", "role": "scribe"}, "Assign needs role and assignee"),
    "assign to nothing": ({"verb": "Assign", "assignee": "carol"}, "Assign needs role and assignee"),
    "a note with an assignee": ({"verb": "Note", "assignee": "carol"}, "only Assign may have an assignee"),
    "release of nothing": ({"verb": "Release", "role": "comms"}, "Release needs role, message and messageDigest"),
    "release of whatever it says": ({"verb": "Release", "role": "comms", "message": "status-page"}, "Release needs role, message"),
    "release as nobody": ({"verb": "Release", **READ}, "Release needs role, message and messageDigest"),
    "release of what was half read": ({"verb": "Release", "role": "comms", **READ, "messageDigest": "sha256:a"}, "messageDigest"),
    "release of what is no name": ({"verb": "Release", "role": "comms", **READ, "message": "../plans/1"}, "message"),
    "a note with a message": ({"verb": "Note", "message": "status-page"}, "only Release may have a message"),
    "an approval with a text": ({"verb": "Approve", **PLANNED, "messageDigest": DIGEST}, "only Release may have a message"),
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
