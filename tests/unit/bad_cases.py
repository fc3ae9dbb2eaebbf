"""The matrix: `BAD` are refused, `TAKEN` are their neighbours, one for each attack class."""

from __future__ import annotations

from typing import Any

from tests.unit.bad_input import Bad, Pair, Spoil, good

MEGABYTES = 2 * 1024 * 1024
# Cyrillic letters that look like a, e, o and P.
LIKE_A, LIKE_E, LIKE_O, LIKE_P = "\u0430", "\u0435", "\u043e", "\u0420"
COUNT = {"name": "count", "expect": "few", "runJob": {"image": "tools:v1", "output": {"fact": "count", "type": "Integer"}}}
ASK = {"name": "mode", "object": {"target": "flags", "value": "object.data.mode"}}
INVALID = "PlaybookInvalid"


def target(**said: Any) -> Spoil:
    return lambda pair: pair.target.update(said)


def found_by(**said: Any) -> Spoil:
    """The target is found in this way instead of by its name."""
    return lambda pair: pair.spec.update(targets=[{"name": "flags", "kind": "ConfigMap", **said}])


def by_label(labels: dict[str, str], **said: Any) -> Spoil:
    return found_by(selector={"matchLabels": labels}, **said)


def step(**said: Any) -> Spoil:
    return lambda pair: pair.step.update(said)


def sets(**data: str) -> Spoil:
    return step(setConfig={"target": "flags", "data": data})


def option(**said: Any) -> Spoil:
    return lambda pair: pair.option.update(said)


def gives(**values: str) -> Spoil:
    return lambda pair: pair.gives(**values)


def opens(**said: Any) -> Spoil:
    return lambda pair: pair.opens(**said)


def declares(**said: Any) -> Spoil:
    return lambda pair: pair.spec["parameters"][0].update(said)


def expects(text: str) -> Spoil:
    return lambda pair: pair.option["verify"][0]["object"].update(expect=text)


def both(*spoils: Spoil) -> Spoil:
    return lambda pair: [spoil(pair) for spoil in spoils]


def job(*argv: str) -> Spoil:
    return option(steps=[{"name": "a", "expect": "b", "runJob": {"image": "tools:v1", "argv": list(argv)}}])


def labelled(key: str, value: str) -> Spoil:
    return lambda pair: pair.incident["metadata"].update(labels={key: value})


def twice(what: str) -> Spoil:
    return lambda pair: pair.spec.update({what: pair.spec[what][:1] * 2})


def spec(**said: Any) -> Spoil:
    return lambda pair: pair.spec.update(said)


def restarts(*names: str) -> Spoil:
    return lambda pair: pair.step["setConfig"].update(restart=list(names))


WORKLOAD = {"name": "app", "kind": "Deployment", "objectName": "absent"}
OTHER = {"name": "other", "expect": "b", "setConfig": {"target": "flags", "data": {"a": "b"}}}
WHEN, STEP, TARGET, CHECK = "spec.options[0].when", "spec.options[0].steps[0]", "spec.targets[0]", "spec.options[0].verify[0]"
RUN = f"{STEP}.runJob.argv[1]"
LABELS = f"{TARGET}.selector.matchLabels"

CLASSES: dict[str, list[tuple[Any, ...]]] = {
    "unknown targets": [
        ("a step's", step(setConfig={"target": "fags", "data": {"a": "b"}}), "spec", "each step's target is one of"),
        ("a consumer's", restarts("apps"), "spec", "each step's target is one of"),
        ("no such object", target(objectName="absent"), "", "", "TargetNotFound", "there is no ConfigMap 'absent'"),
        ("no such label", by_label({"app": "absent"}), "", "", "TargetNotFound", "selects no ConfigMap"),
        ("no component to tell it", found_by(nameFrom="${incident.component}"), "", "", "NameUnknown",
         "incident.component is not known"),
        ("of a kind that the action does not work on", spec(targets=[{**WORKLOAD, "name": "flags"}]), f"{STEP}.setConfig.target",
         "", INVALID,
         "setConfig does not work on a Deployment"),
    ],
    "cycles": [
        ("a step waits for its own output", option(steps=[COUNT | {"when": "facts.count > 3"}]), f"{STEP}.when", "",
         INVALID, "facts.count"),
        ("a step waits for a later one", option(steps=[OTHER | {"when": "facts.count > 3"}, COUNT]), f"{STEP}.when", "",
         INVALID, "facts.count"),
        ("an option waits for itself", option(when="facts.count > 3", steps=[COUNT]), WHEN, "", INVALID, "facts.count"),
        ("a false alarm told by its mitigation", both(option(steps=[COUNT]), spec(falseAlarmWhen="facts.count > 3")),
         "spec.falseAlarmWhen", "",
         INVALID, "facts.count"),
        ("a target named by what is read of it", both(found_by(nameFrom="${facts.mode}"), spec(diagnosis=[ASK])),
         f"{TARGET}.nameFrom", "",
         INVALID, "facts.mode"),
        ("a parameter that means itself", declares(default="${params.mode}"), "spec.parameters[0].default", "",
         INVALID, "expected what matches"),
    ],
    "2 MB of parameters": [
        ("one value", gives(note="x" * MEGABYTES), "spec.parameters", "may not be more than 1024"),
        ("one name", gives(**{"x" * MEGABYTES: "y"}), "spec.parameters", "keys have at most 63 characters"),
        ("2,000 values", gives(**{f"p{n}": "x" * 1000 for n in range(2000)}), "spec.parameters", "must have at most 32 items"),
        ("a default", declares(default="x" * MEGABYTES), "spec.parameters[0].default", "may not be more than 1024"),
        ("as an annotation", lambda pair: pair.incident["metadata"].update(annotations={"a": "x" * MEGABYTES}),
         "metadata.annotations",
         "may not be more than 262144 bytes", "", "", True),
        ("values that nobody asked for", gives(**{f"p{n}": "x" * 1000 for n in range(32)}), "", "", "ParameterInvalid",
         "has no such parameter"),
    ],
    "CEL bombs": [
        ("a long condition", option(when="true && " * 200 + "true"), WHEN, "may not be more than 1024"),
        ("a nested condition", option(when="(" * 400 + "true" + ")" * 400), WHEN, "", INVALID, "recursion"),
        ("a loop in a condition", option(when="[1, 2].all(a, [1, 2].all(b, a != b))"), WHEN, "", INVALID, "undeclared reference"),
        ("a loop in a loop over an object", expects("object.data.all(a, object.data.all(b, a != b))"), CHECK, "", "Invalid",
         "a loop may speak of its own variable only"),
        ("a text that doubles", expects(" + ".join(["object.metadata.name"] * 20) + " != ''"), CHECK, "", "Invalid",
         "at most 8 are taken"),
        ("a pattern out of the object", expects("object.data.mode.matches(object.data.note)"), CHECK, "", "Invalid",
         "not written out as a text"),
        ("a pattern that backtracks", declares(pattern="(a)\\1"), "spec.parameters[0].pattern", "",
         INVALID, "is no regular expression"),
        ("a pattern that takes all memory", declares(pattern="((a{1000}){1000}){1000}"), "spec.parameters[0].pattern", "", INVALID,
         "is no regular expression"),
    ],
    "template bombs": [
        ("one text that grows", both(sets(a="${params.note}" * 20), gives(note="x" * 1000)), "", "", "TemplateInvalid",
         "characters; at most 16384 are taken"),
        ("more than are counted", sets(a="${params.few}" * 65), "", "", "TemplateInvalid", "at most 64 are taken"),
        ("one that is never closed", sets(a="${params.note"), f"{STEP}.setConfig.data.a", "", INVALID, "is not closed"),
        ("one that reaches for attributes", sets(a="${params.note.__class__}"), f"{STEP}.setConfig.data.a", "",
         INVALID, "select operation"),
        ("one that reaches for the environment", sets(a="${env.HOME}"), f"{STEP}.setConfig.data.a", "",
         INVALID, "undeclared reference"),
        ("one with a loop", sets(a="${[1].map(x, string(x))[0]}"), f"{STEP}.setConfig.data.a", "", INVALID, "undeclared reference"),
        ("one in code", job("sh", "-c", "echo ${params.note}"), f"{STEP}.runJob", "",
         INVALID, "a template in code would become code"),
        ("one in a condition", expects("object.data.mode == '${params.note}'"), CHECK, "", "Invalid", "is CEL and no template"),
    ],
    "selectors that match everything": [
        ("no labels", by_label({}), LABELS, "should have at least 1 properties"),
        ("nothing", found_by(selector={}), LABELS, "Required value"),
        ("another selector in a key", by_label({"app notin (x),tier": "web"}), LABELS, "keys match"),
        ("another selector in a value", by_label({"app": "x,tier in (web)"}), LABELS, "should match"),
        ("more objects than can be", by_label({"app": "shop"}, maxCount=1000), f"{TARGET}.maxCount", "less than or equal to 20"),
        ("more objects than said", by_label({"app": "shop"}), "", "", "TooManyTargets", "narrow the selector in the playbook"),
        ("a match of every Incident", spec(match={}), "spec.match", "should have at least 1 properties"),
    ],
    "names with shell and path characters": [
        ("a command as an object's name", target(objectName="$(reboot)"), f"{TARGET}.objectName", "should match"),
        ("a path as an object's name", target(objectName="../../kube-system/admin"), f"{TARGET}.objectName", "should match"),
        ("an option with a line break", option(name="switch\n- evil"), "spec.options[0].name", "should match"),
        ("a path as an account", spec(serviceAccountName="../default"), "spec.serviceAccountName", "should match"),
        ("a path as a key", sets(**{"../../etc/passwd": "x"}), f"{STEP}.setConfig.data", "keys match"),
        ("a path as a component", opens(component="../secrets"), "spec.component", "should match"),
        ("a path as a playbook", opens(playbookRef={"name": "../probe"}), "spec.playbookRef.name", "should match"),
        ("a path as a parameter's name", gives(**{"../mode": "x"}), "spec.parameters", "keys match"),
        ("a path that a value becomes", both(found_by(nameFrom="${params.note}"), gives(note="../kube-root-ca.crt")), "", "",
         "NameUnknown",
         "which is not the name of an object"),
        ("a command that a value becomes", both(found_by(nameFrom="${params.note}"), gives(note="victim; reboot")), "", "",
         "NameUnknown",
         "which is not the name of an object"),
    ],
    "negative and overflowing durations": [
        *((f"a time-box of {text}", step(revert={"after": text}), f"{STEP}.revert.after", says) for text, says in (
            ("-1h", "should match"), ("1.5h", "should match"), ("5", "should match"), ("1e9h", "should match"), ("",
         "should match"),
            ("999999h", "should match"), ("9" * 30 + "h", "may not be more than 28"), ("99999h", "from 1s to 720h"), ("0s",
         "from 1s to 720h"),
            ("1h-59m", "should match"), ("\u0661h", "should match"),
        )),
        ("a hold that goes backwards", lambda pair: pair.option["verify"][0].update(holdFor="-1s"), f"{CHECK}.holdFor",
         "should match"),
        ("a wait that never ends", option(steps=[{"name": "a", "expect": "b", "wait": {"for": "99999h"}}]), f"{STEP}.wait.for",
         "from 1s"),
        ("a number that overflows", gives(few="9223372036854775808"), "", "", "ParameterInvalid", "expected an integer of 64 bits"),
        ("a number with a million digits less", gives(few="-1"), "", "", "ParameterInvalid", "is -1, expected 0 or more"),
    ],
    "references across namespaces": [
        ("a target's namespace", target(namespace="kube-system"), f"{TARGET}.namespace", "unknown field"),
        ("a namespace in a target's name", target(objectName="kube-system/coredns"), f"{TARGET}.objectName", "should match"),
        ("a playbook's namespace", opens(playbookRef={"name": "probe", "namespace": "kube-system"}), "spec.playbookRef.namespace",
         "unknown field"),
        ("another namespace's account", spec(serviceAccountName="kube-system:coredns"), "spec.serviceAccountName", "should match"),
        ("an account that only another namespace has", spec(serviceAccountName="coredns"), "", "", "ServiceAccountNotFound",
         "there is no ServiceAccount 'coredns'"),
        ("a playbook that only another namespace has", opens(playbookRef={"name": "elsewhere"}), "", "", "PlaybookNotFound",
         "there is no Playbook 'elsewhere'"),
        ("an object that only another namespace has", target(objectName="extension-apiserver-authentication"), "", "",
         "TargetNotFound",
         "there is no ConfigMap"),
        ("another namespace's service", lambda pair: pair.option.update(verify=[{"http": {"service": "dns.kube-system",
         "port": 53, "path": "/"}}]),
         f"{CHECK}.http.service", "should match"),
    ],
    "unicode look-alikes": [
        ("an option", option(name=f"switc{LIKE_A}"), "spec.options[0].name", "should match"),
        ("an object", target(objectName=f"victim-{LIKE_A}"), f"{TARGET}.objectName", "should match"),
        ("an account", spec(serviceAccountName=f"k{LIKE_E}{LIKE_E}per"), "spec.serviceAccountName", "should match"),
        ("a component", opens(component=f"fr{LIKE_O}ntend"), "spec.component", "should match"),
        ("a person", opens(openedBy=f"{LIKE_A}lice"), "spec.openedBy", "set spec.openedBy to your own name", "", "", True),
        ("a severity", opens(severity=f"{LIKE_P}0"), "", "", "UnknownSeverity", r"'\u04200'"),
        ("a value", gives(mode=f"norm{LIKE_A}l"), "", "", "ParameterInvalid", "a text of 6 characters, expected what matches"),
        ("digits", gives(few="\uff13"), "", "", "ParameterInvalid", "expected an integer of 64 bits"),
        ("nothing to be seen", gives(note="a\u200bb"), "", "", "ParameterInvalid", "holds U+200B, expected characters that print"),
        ("text that runs backwards", gives(note="a\u202eb"), "", "", "ParameterInvalid",
         "holds U+202E, expected characters that print"),
    ],
    "duplicate names": [
        ("targets", twice("targets"), "spec.targets", "Duplicate value"),
        ("options", twice("options"), "spec.options", "Duplicate value"),
        ("parameters", twice("parameters"), "spec.parameters", "Duplicate value"),
        ("steps", option(steps=[OTHER, OTHER]), "spec.options[0].steps", "Duplicate value"),
        ("checks", lambda pair: pair.option.update(verify=[{"name": "a", **pair.option["verify"][0]}] * 2), "spec.options[0]",
         "the names of an option's checks are unique"),
        ("facts", option(steps=[COUNT, {**COUNT, "name": "again"}]), "spec.diagnosis", "", INVALID, "2 are named count"),
        ("a fact that stanch finds itself", spec(diagnosis=[{**ASK, "name": "lastDeploy"}]), "spec",
         "lastDeploy is a fact that stanch finds"),
        ("checks of recovery", lambda pair: pair.spec.update(recovery={"verify": [{"name": "a", **pair.option["verify"][0]}] * 2}),
         "spec.recovery.verify", "", INVALID, "2 are named a"),
    ],
    "alert labels that look like code": [
        ("a command as a label", labelled("service", "$(reboot)"), "metadata.labels", "a valid label must be", "", "", True),
        ("a template as a label", labelled("service", "${incident.name}"), "metadata.labels", "a valid label must be", "", "",
         True),
        ("a label that names an object", both(found_by(nameFrom="${incident.labels['service']}"), labelled("service",
         "Victim_.x")), "", "",
         "NameUnknown", "which is not the name of an object"),
        ("a label that is not there", found_by(nameFrom="${incident.labels['service']}"), "", "", "NameUnknown", "Key not found"),
        ("SQL where a word belongs", gives(mode="x'; DROP TABLE users; --"), "", "", "ParameterInvalid", "expected what matches"),
        ("a shell where a word belongs", gives(mode="$(reboot)"), "", "", "ParameterInvalid", "expected what matches"),
        ("a template where a word belongs", gives(mode="${incident.name}"), "", "", "ParameterInvalid", "expected what matches"),
        ("CEL where a number belongs", gives(few="params.few + 1"), "", "", "ParameterInvalid", "expected an integer of 64 bits"),
    ],
}  # fmt: skip

BAD = [Bad(attack, *case) for attack, cases in CLASSES.items() for case in cases]

LOOKS_LIKE_CODE = "'; DROP TABLE users; -- $(reboot) `reboot` ${params.mode} {{ 7 * 7 }} ${incident.name}"

# As near to each attack as may be.
TAKEN: dict[str, Spoil] = {
    "unknown targets": both(found_by(nameFrom="${params.note}"), gives(note="victim")),
    "cycles": both(spec(diagnosis=[ASK], falseAlarmWhen="facts.mode == 'gone'"), option(when="facts.mode != params.mode")),
    "2 MB of parameters": gives(note="x" * 1024),
    "CEL bombs": both(option(when="!params.note.matches('^(a+)+$')"), gives(note="a" * 1000 + "!")),
    "template bombs": both(sets(mode="a", note="${params.note}" * 8), gives(note="${params.note}" * 60)),
    "selectors that match everything": by_label({"app": "shop"}, maxCount=2),
    "names with shell and path characters": sets(**{"..mode_-.x": "$(reboot) ../../etc/passwd"}),
    "negative and overflowing durations": step(revert={"after": "720h"}),
    "references across namespaces": spec(serviceAccountName="keeper"),
    "unicode look-alikes": gives(note="\u0430lice \u00fcber \u65e5\u672c"),
    "duplicate names": option(steps=[OTHER, {**OTHER, "name": "other-2"}]),
    "alert labels that look like code": both(labelled("service", "victim"), gives(note=LOOKS_LIKE_CODE)),
}


def taken(attack: str, name: str = "probe", by: str = "alice") -> Pair:
    made = good(name, by)
    TAKEN[attack](made)
    return made
