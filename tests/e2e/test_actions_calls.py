"""Actions that reach into an application or wait, on real pods: exec, http, runJob, wait, askPerson; each with its twin."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.stage.limits import LimitsScene, call, option, step
from tests.stage.operator import OperatorProcess

Document = dict[str, Any]
EVIDENCE = "/app/evidence"
TOKEN = "limits-admin-token-1"
COMMANDER_ROLE = "incident-commander"
TOOLS = "localhost/stanch/tools:v1"


def run(*argv: str, **more: Any) -> Document:
    return {"exec": {"target": "app", "argv": list(argv), **more}}


def clear(user: str, key: str = "token", **more: Any) -> Document:
    """E-22, option B: a call to the application, by an administrator."""
    secret = [{"name": "X-Admin-Token", "secretRef": {"name": "limits-admin", "key": key}}]
    place = {"service": "limits", "port": 8080, "path": f"/limits/{user}", "method": "DELETE"}
    return {"http": {**place, "secretHeaders": secret, **more}}


def job(*argv: str, **more: Any) -> Document:
    return {"runJob": {"image": TOOLS, "argv": list(argv), **more}}


def ask(**more: Any) -> Document:
    return {"askPerson": {"role": COMMANDER_ROLE, "question": "Look whether the load is an attack", **more}}


def why(incident: Document) -> str:
    return incident["status"]["options"][0]["message"]


# exec


def test_what_a_command_prints_becomes_a_fact_and_a_file(limits: LimitsScene) -> None:
    output = {"fact": "limit", "type": "Integer", "pattern": "RATE_LIMIT_QUERY=([0-9]+)"}
    name = limits.play(
        option(
            "only",
            step("read", **run("env", output=output)),
            step("when-low", when="facts.limit < 11", **run("touch", f"{EVIDENCE}/low")),
            step("when-high", when="facts.limit >= 11", **run("touch", f"{EVIDENCE}/high")),
        )
    )
    incident = limits.ended(name, only="Confirmed")
    assert incident["status"]["facts"]["limit"] == "10"
    assert "RATE_LIMIT_QUERY=10\n" in limits.stored(incident, "read.stdout.txt")
    assert {name: one["state"] for name, one in limits.steps(incident).items()} == {
        "read": "Done", "when-low": "Done", "when-high": "Skipped",
    }  # fmt: skip
    assert limits.inside("ls", EVIDENCE).split() == ["low"]


def test_a_command_that_fails_fails_its_option_and_says_so_without_what_it_printed(limits: LimitsScene) -> None:
    incident = limits.ended(limits.play(option("only", step("read", **run("cat", "/nowhere/secret-plan")))), only="Failed")
    assert "exit code 1" in why(incident)
    printed = limits.stored(incident, "read.stderr.txt")
    assert "No such file" in printed and "No such file" not in json.dumps(incident["status"])


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (run("touch", f"{EVIDENCE}/ran", container="sidecar"), "NoContainer"),
        (run("no-such-program", f"{EVIDENCE}/ran"), "NotStarted"),
        (run("sh", "-c", f"touch {EVIDENCE}/ran; echo many", output={"fact": "many", "type": "Integer"}), "expected an integer"),
    ],
    ids=["no such container", "no such program", "no such value"],
)
def test_what_cannot_be_run_or_read_is_no_success(limits: LimitsScene, action: Document, reason: str) -> None:
    incident = limits.ended(limits.play(option("only", step("touch", **action))), only="Failed")
    assert reason in why(incident)
    assert limits.inside("ls", EVIDENCE).split() == (["ran"] if "integer" in reason else [])
    assert "many" not in incident["status"].get("facts", {})


def test_a_secret_reaches_standard_input_and_is_told_nowhere(limits: LimitsScene, operator: OperatorProcess) -> None:
    secret = {"secretRef": {"name": "limits-admin", "key": "token"}}
    incident = limits.ended(limits.play(option("only", step("hand", **run("tee", "/tmp/handed", stdin=secret)))), only="Confirmed")
    assert limits.inside("cat", "/tmp/handed") == TOKEN
    assert limits.stored(incident, "hand.stdout.txt") == "(secret)"
    told = [json.dumps(incident), operator.log.read_text(), limits.kubectl("get", "events", "-o", "json")]
    packed = [path.read_text(errors="replace") for path in (operator.folder / "packs").rglob("*") if path.is_file()]
    assert not [text for text in told + packed if TOKEN in text]


def decision(file: str) -> Document:
    """E-32: who decided what in which incident, written where the application keeps its own evidence."""
    text = "Rate limiting adjusted to ${string(params.queryLimit)} - Incident ${incident.name}\n"
    return step("record", "the application's evidence has the decision", **run("tee", file, stdin={"text": text}))


def raise_limits(**more: Any) -> Document:
    smoke = [{"rollout": {"target": "app"}, "within": "2m"}]
    action = {"target": "app", "set": {"RATE_LIMIT_QUERY": "${string(params.queryLimit)}"}}
    return step("raise", "legitimate users are served", setEnv=action, smoke=smoke, **more)


@pytest.mark.requirement("E-32", "E-21")
def test_the_decision_is_written_where_the_application_keeps_its_evidence(limits: LimitsScene) -> None:
    file = f"{EVIDENCE}/rate-limit-adjustment-${{incident.name}}.log"
    name = limits.play(option("only", raise_limits(), decision(file)), parameters={"queryLimit": "20"})
    incident = limits.ended(name, only="Confirmed")
    written = "Rate limiting adjusted to 20 - Incident limited\n"
    assert limits.inside("cat", f"{EVIDENCE}/rate-limit-adjustment-limited.log") == written
    assert limits.stored(incident, "record.stdout.txt") == written, "as well as in the pack"
    assert limits.asked("/settings")["query"] == "20"


@pytest.mark.requirement("E-32")
@pytest.mark.parametrize(
    ("file", "allowed", "reason"),
    [("/app/gone/decision.log", True, "exit code 1"), (f"{EVIDENCE}/decision.log", False, "pods/exec")],
    ids=["no such folder", "not permitted"],
)
def test_a_decision_that_could_not_be_written_is_not_passed_over(
    limits: LimitsScene, file: str, allowed: bool, reason: str
) -> None:
    def without_exec(document: Document) -> None:
        document["rules"] = [rule for rule in document["rules"] if "pods/exec" not in rule["resources"]]

    def edit(document: Document) -> None:
        if not allowed and document["kind"] == "Role":
            without_exec(document)

    name = limits.play(option("only", raise_limits(), decision(file)), access=edit, parameters={"queryLimit": "20"})
    incident = limits.ended(name, only="Failed")
    assert reason in why(incident)
    assert limits.inside("ls", EVIDENCE) == ""


# A crash in the middle


@pytest.mark.parametrize(("verb", "state"), [("Confirm", "Confirmed"), ("Reject", "Failed")])
def test_killed_while_a_command_runs_it_is_not_run_again_and_a_person_says(
    limits: LimitsScene, operator: OperatorProcess, verb: str, state: str
) -> None:
    """Invariant 3: a lost answer is unknown, never a second run. The pod counts the runs. It runs on, so that it surely is under
    way when the operator is killed; nobody waits for it."""
    name = limits.play(option("only", step("count", **run("sh", "-c", f"echo run >>{EVIDENCE}/runs; sleep 50", timeout="1m"))))
    limits.until_status(name, ".steps[0].state", "Intended")
    limits.kubectl("exec", "deployment/limits", "--", "sh", "-c", f"until [ -e {EVIDENCE}/runs ]; do sleep 0.1; done")
    operator.kill()
    operator.start()
    incident = limits.until_status(name, ".steps[0].state", "Indeterminate")
    assert incident["status"]["waitsFor"] == "Confirm or Reject of count"
    assert "operator ended" in incident["status"]["message"]
    limits.answer(verb, incident, "count")
    limits.ended(name, only=state)
    assert limits.inside("cat", f"{EVIDENCE}/runs") == "run\n"


def test_a_command_that_is_not_over_in_time_is_unknown_and_not_run_again(limits: LimitsScene) -> None:
    name = limits.play(option("only", step("count", **run("sh", "-c", f"echo run >>{EVIDENCE}/runs; sleep 50", timeout="5s"))))
    incident = limits.until_status(name, ".steps[0].state", "Indeterminate")
    assert "within 5 s" in incident["status"]["message"]
    limits.answer("Reject", incident, "count")
    limits.ended(name, only="Failed")
    assert limits.inside("cat", f"{EVIDENCE}/runs") == "run\n"


# runJob


def test_a_job_is_run_once_and_its_log_kept(limits: LimitsScene) -> None:
    secret = {"name": "ADMIN", "secretRef": {"name": "limits-admin", "key": "token"}}
    action = job(
        "sh", "-c", 'id -u; echo "cleared $(printf %s "$ADMIN" | wc -c)"',
        env=[secret], output={"fact": "cleared", "type": "Integer", "pattern": "cleared ([0-9]+)"},
    )  # fmt: skip
    incident = limits.ended(limits.play(option("only", step("clear", **action))), only="Confirmed")
    assert incident["status"]["facts"]["cleared"] == str(len(TOKEN))
    assert "65534" in limits.stored(incident, ".log"), "never root"
    (made,) = limits.kubectl.get("jobs", "-l", "app.kubernetes.io/managed-by=stanch")["items"]
    assert made["metadata"]["annotations"]["stanch.dev/token"].startswith(incident["metadata"]["uid"])
    assert made["spec"]["template"]["spec"]["serviceAccountName"] == "rate-limit-remediator"


@pytest.mark.parametrize(
    ("action", "reason", "logged"),
    [
        (job("sh", "-c", "echo half done; exit 3"), "BackoffLimitExceeded", "half done"),
        (job("sh", "-c", "echo begun; trap 'exit 0' TERM; sleep 60 & wait", deadline="3s"), "DeadlineExceeded", None),
        (job("echo", "plenty", output={"fact": "many", "type": "Integer"}), "expected an integer", "plenty"),
    ],
    ids=["fails", "takes too long", "no value"],
)
def test_a_job_that_fails_fails_its_option(limits: LimitsScene, action: Document, reason: str, logged: str | None) -> None:
    incident = limits.ended(limits.play(option("only", step("clear", **action))), only="Failed")
    assert reason in why(incident)
    assert limits.steps(incident)["clear"]["state"] == "Failed"
    if logged:
        assert logged in limits.stored(incident, ".log")
        assert logged not in json.dumps(incident["status"])


def test_killed_while_a_job_runs_the_same_job_is_awaited(limits: LimitsScene, operator: OperatorProcess) -> None:
    name = limits.play(option("only", step("slow", **job("sh", "-c", "sleep 6; echo done"))))
    limits.until_status(name, ".steps[0].state", "Waiting")
    operator.kill()
    operator.start()
    incident = limits.ended(name, only="Confirmed")
    assert "done" in limits.stored(incident, ".log")
    assert len(limits.kubectl.get("jobs")["items"]) == 1


# http


@pytest.mark.requirement("E-22")
def test_one_users_limit_is_cleared_by_a_call_to_the_application(limits: LimitsScene) -> None:
    output = {"fact": "wasBlocked", "type": "Boolean", "pointer": "/cleared/was"}
    served = [call("/limits/u1", '"blocked":false')]
    name = limits.play(option("only", step("clear", **clear("u1", output=output)), verify=served))
    incident = limits.ended(name, only="Confirmed")
    assert incident["status"]["facts"]["wasBlocked"] == "true"
    assert limits.asked("/limits/u2")["blocked"] is True, "nobody else's"
    user, key = limits.inside("cat", "/tmp/calls").split()
    assert user == "u1" and len(key) == 64
    assert TOKEN not in json.dumps(incident)


@pytest.mark.requirement("E-22")
@pytest.mark.parametrize(
    ("action", "reason", "calls"),
    [
        (clear("u1", key="wrong"), "answered 403", 1),
        (clear("u1", key="absent"), "SecretMissing", 0),
        (clear("u1", service=None, port=None, url="https://evil.example.com"), "NotAllowed", 0),
    ],
    ids=["not an administrator", "no such secret", "not allow-listed"],
)
def test_a_call_that_is_denied_clears_nothing(limits: LimitsScene, action: Document, reason: str, calls: int) -> None:
    action["http"] = {name: value for name, value in action["http"].items() if value is not None}
    incident = limits.ended(limits.play(option("only", step("clear", **action))), only="Failed")
    assert reason in why(incident)
    assert limits.asked("/limits/u1")["blocked"] is True
    made = limits.inside("sh", "-c", "cat /tmp/calls 2>/dev/null || true").splitlines()
    assert len(made) == calls


@pytest.mark.requirement("E-22")
def test_limits_are_disabled_for_a_while_as_the_last_resort(limits: LimitsScene) -> None:
    """Option C, after B was denied. Its time is over before anything else happens: it is taken back by itself."""
    action = {"target": "app", "set": {"RATE_LIMITING_ENABLED": "false"}}
    off = step("disable", "everybody is served", setEnv=action, revert={"after": "40s", "onRecovery": False})
    verify = [{"rollout": {"target": "app"}, "within": "2m"}, call("/settings", '"enabled":"false"')]
    name = limits.play(option("clear", step("clear", **clear("u1", key="wrong"))), option("disable", off, verify=verify))
    incident = limits.until_status(name, ".reverts[0].state", "Owed")
    assert incident["status"]["reverts"][0]["dueAt"]
    incident = limits.until_status(name, ".reverts[0].state", "Done")
    states = {one["name"]: one["state"] for one in incident["status"]["options"]}
    assert states == {"clear": "Failed", "disable": "Confirmed"}
    limits.rolled_out("limits")
    assert limits.asked("/settings")["enabled"] == "true"


@pytest.mark.requirement("E-22")
def test_limits_that_a_person_set_meanwhile_are_left_to_them(limits: LimitsScene) -> None:
    action = {"target": "app", "set": {"RATE_LIMITING_ENABLED": "false"}}
    off = step("disable", "everybody is served", setEnv=action, revert={"after": "40s", "onRecovery": False})
    name = limits.play(option("disable", off))
    limits.until_status(name, ".reverts[0].state", "Owed")
    limits.rolled_out("limits")
    limits.kubectl("set", "env", "deployment/limits", "RATE_LIMITING_ENABLED=half")
    limits.until_status(name, ".reverts[0].state", "Conflict")
    limits.rolled_out("limits")
    assert limits.asked("/settings")["enabled"] == "half"


# wait


def test_nothing_happens_for_as_long_as_it_says(limits: LimitsScene) -> None:
    name = limits.play(option("only", step("pause", wait={"for": "3s"}), step("after", **run("touch", f"{EVIDENCE}/after"))))
    steps = limits.steps(limits.ended(name, only="Confirmed"))
    begun, over = (datetime.fromisoformat(steps["pause"][when]) for when in ("intendedAt", "doneAt"))
    assert (over - begun).total_seconds() >= 3
    assert datetime.fromisoformat(steps["after"]["intendedAt"]) >= over


def test_what_waits_is_aborted_at_once(limits: LimitsScene) -> None:
    name = limits.play(option("only", step("pause", wait={"for": "1h"}), step("after", **run("touch", f"{EVIDENCE}/after"))))
    incident = limits.until_status(name, ".steps[0].state", "Waiting")
    limits.decide(limits.on_call, "Abort", incident)
    limits.until(name, "Aborted")
    assert limits.inside("ls", EVIDENCE) == ""


# askPerson


def asked(limits: LimitsScene, **more: Any) -> tuple[str, Document]:
    name = limits.play(option("only", step("look", **ask(), **more), step("after", **run("touch", f"{EVIDENCE}/after"))))
    incident = limits.until_status(name, ".steps[0].state", "Waiting")
    limits.until_status(name, ".waitsFor", f"Confirm by {COMMANDER_ROLE}")
    return name, incident


def test_a_person_confirms_and_it_goes_on(limits: LimitsScene) -> None:
    name, incident = asked(limits)
    assert limits.inside("ls", EVIDENCE) == ""
    limits.answer("Confirm", incident, "look", role=COMMANDER_ROLE)
    steps = limits.steps(limits.ended(name, only="Confirmed"))
    assert "confirmed by carol" in steps["look"]["message"]
    assert limits.inside("ls", EVIDENCE).split() == ["after"]


def test_a_person_rejects_and_it_goes_no_further(limits: LimitsScene) -> None:
    name, incident = asked(limits)
    limits.answer("Reject", incident, "look", role=COMMANDER_ROLE)
    assert "rejected by carol" in why(limits.ended(name, only="Failed"))
    assert limits.inside("ls", EVIDENCE) == ""


def test_another_role_does_not_answer_and_silence_is_a_no(limits: LimitsScene) -> None:
    name, incident = asked(limits, timeout="8s")
    limits.decide(limits.on_call, "Confirm", incident, option="only", step="look", role="on-call")
    incident = limits.ended(name, only="Failed")
    assert f"nobody confirmed it as {COMMANDER_ROLE}" in why(incident)
    assert limits.inside("ls", EVIDENCE) == ""
