"""A story, lived again and again while something goes wrong: what came of it, and whether it is what always comes of it.

The one here, `WHOLE`: evidence; option `tune` restarts, changes a variable, does not help and is taken back as far as it can be;
option `undo` puts a switch for a time and goes back to the release before; verified, held; the switch is taken back; a person
closes it. Others are in `stories`. What was written is counted at the door between operator and API server, not read from stanch's
own records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from stanch.engine.verifying import UNWATCHED
from stanch.packs.verify import verify
from tests.stage.audit.terms import covered
from tests.stage.install import install_operator, uninstall_operator
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of, timeline
from tests.stage.proxy import Door, Written
from tests.stage.supervisor import Supervisor
from tests.stage.trial import ROLLED_OUT, TrialScene, check, option, states, step, writing

Document = dict[str, Any]
# Lives at the same time, each in a namespace and under an operator of its own: they mostly wait for pods.
LANES = 3

# Longer than any outage of these tests.
HEALTH = check("health", within="3m", hold_for="1s", http={"service": "frontend", "port": "8080", "path": "/health"})
# Long enough for the pod to answer (no answer would be inconclusive, not denied), once it is rolled out: at the end of that time
# one question decides, and it must not meet a pod that is just going.
UNHELPED = HEALTH | {"within": "10s"}
TUNE = option(
    "tune",
    ROLLED_OUT,
    UNHELPED,
    steps=[
        step("restart", rolloutRestart={"target": "app"}),
        step("tune", setEnv={"target": "app", "set": {"FRONTEND_TUNED": "true"}}, smoke=[ROLLED_OUT | {"name": "tuned"}]),
    ],
    revertOnFailure=True,
)
UNDO = option(
    "undo",
    ROLLED_OUT,
    HEALTH,
    steps=[
        step("switch", setConfig=writing({"read-only": "true"}), revert={"after": "15s", "onRecovery": False}),
        step("undo", rolloutUndo={"target": "app", "to": "Previous"}),
    ],
)
ENDS = {"tune": "Denied", "undo": "Confirmed"}
DOUBTED = {"Inconclusive": "Denied"}
# Token without the incident's UID -> how often the API server is to take such a write.
EFFECTS = Counter(["1/tune/restart", "1/tune/tune", "1/tune/tune/revert", "1/undo/switch", "1/undo/switch/revert", "1/undo/undo"])


@dataclass(frozen=True)
class Story:
    """What is lived, and what must come of it: option -> its end; token without the incident's UID -> how often the API server is
    to take such a write. `timed`: the step that is taken back at its time, as option/step; `left`: what `looks` finds at the end.
    """

    name: str
    ends: dict[str, str]
    effects: Counter[str]
    timed: str
    prepares: Callable[[TrialScene], None]
    # Each incident from opened to closed.
    goes: Callable[[TrialScene], tuple[Document, ...]]
    left: Document = field(default_factory=dict)
    looks: Callable[[TrialScene, tuple[Document, ...], Door], Document] = lambda scene, incidents, door: {}

    def fits(self, life: Life) -> bool:
        """Whether this is how it goes when nothing goes wrong."""
        return (life.options, life.effects, life.left, life.problems) == (self.ends, self.effects, self.left, "")


@dataclass
class Life:
    """What came of a story. `told`: the lines of its timelines, and how often each, but for what is each life's own. `late`:
    seconds, of its timed revert, beside those in which what went wrong made the operator wait. `left`: what else the story
    looks at. `unknown`: tokens of writes of which the API server could not say whether it took them; the end state shows it."""

    options: dict[str, str]
    environment: dict[str, str]
    settings: dict[str, str]
    effects: Counter[str]
    unknown: frozenset[str]
    told: Counter[tuple[str, str, str]]
    writes: list[Written]
    restarts: int
    late: float
    evidence_first: bool
    problems: object
    left: Document = field(default_factory=dict)


@dataclass
class Tally:
    """What went wrong over many lives. `lateness`: seconds above which a revert is late; `earliness`: how far the operator's
    clock may be ahead; `unanswered`: questions may go without an answer, so that an option is inconclusive instead of denied,
    and a hold begins anew."""

    lateness: float = 10.0
    earliness: float = 0.0
    unanswered: bool = False
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def count(self, name: object, life: Life, reference: Life) -> None:
        wanted = reference.effects
        self.doubled += [f"{name}: {token}" for token, times in life.effects.items() if times > wanted[token]]
        self.lost += [f"{name}: {token}" for token in wanted if token not in life.effects and token not in life.unknown]
        self.broken += [f"{name}: {life.problems}"] if life.problems else []
        self.late += [f"{name}: {life.late:.1f} s"] if not -self.earliness <= life.late <= self.lateness else []
        self.unseen += [] if life.evidence_first else [f"{name}: a change before its evidence"]
        if self.unanswered:
            life, reference = undoubted(life), undoubted(reference)
        for what in ("options", "environment", "settings", "left", "told"):
            mine, theirs = getattr(life, what), getattr(reference, what)
            if mine != theirs:
                self.other.append(f"{name}: {what}: {(mine - theirs) + (theirs - mine) if what == 'told' else mine}")

    @property
    def clean(self) -> bool:
        return not (self.doubled or self.lost or self.broken or self.late or self.unseen or self.other)


def undoubted(life: Life) -> Life:
    options = {name: DOUBTED.get(state, state) for name, state in life.options.items()}
    lines = {line: times for line, times in life.told.items() if not line[0].endswith("/lost")}
    return replace(life, options=options, told=Counter(lines))


@contextmanager
def lanes(installed: Kubectl, prefix: str, count: int = LANES) -> Iterator[SimpleQueue[str]]:
    """Namespaces, each with the rights of an operator of its own, to be taken and given back."""
    free: SimpleQueue[str] = SimpleQueue()
    names = [f"{prefix}-{number}" for number in range(count)]
    for name in names:
        installed("create", "namespace", name)
        installed("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        install_operator(installed, f"{name}-op")
        free.put(name)
    yield free
    for name in names:
        uninstall_operator(installed, f"{name}-op")
        installed("delete", "namespace", name, "--wait=false")


def prepared(scene: TrialScene) -> None:
    """A release that does not answer, after one that does."""
    scene.prepare()
    scene.release("v1")
    scene.break_release()


def whole(scene: TrialScene) -> tuple[Document, ...]:
    return (closed(scene, scene.run(TUNE, UNDO)),)


WHOLE = Story("whole", ENDS, EFFECTS, "undo/switch", prepared, whole)


def live(
    installed: Kubectl,
    lane: str,
    folder: Path,
    door: Door,
    during: Callable[[OperatorProcess], None] = lambda _: None,
    story: Story = WHOLE,
) -> Life:
    """One story through that door. `during` is told of the operator once it runs."""
    operator = OperatorProcess(installed, folder, (lane,), f"{lane}-op", server=door.url)
    scene = TrialScene(installed.inside(lane), f"{lane}-op")
    story.prepares(scene)
    with Supervisor(operator) as supervisor:
        during(operator)
        try:
            incidents = story.goes(scene)
            life = lived(story, scene, incidents, door, supervisor.restarts)
        except Exception as error:
            raise AssertionError(f"{story.name}: {error}\n{operator.log.read_text()[-3000:]}") from error
    scene.kubectl("delete", "incident", *(incident["metadata"]["name"] for incident in incidents))
    return life


def heard(scene: TrialScene, who: Kubectl, verb: str, incident: Document, **spec: Any) -> None:
    """Said and recorded. Whether it counted says the timeline alone, where the operator was killed between telling and marking."""
    said = scene.decide(who, verb, incident, **spec)["metadata"]["name"]
    scene.kubectl("wait", f"decision/{said}", "--for=jsonpath={.status.recordedAt}", "--timeout=120s", timeout=150)


def closed(scene: TrialScene, name: str, **spec: Any) -> Document:
    """Closed by the commander once it is resolved; sealed and recorded."""
    heard(scene, scene.commander, "Close", scene.until(name, "Resolved", 240), **spec)

    def over() -> bool:
        status = scene.incident(name)["status"]
        return status["phase"] == "Closed" and status["pack"].get("sealed", 0) >= status["pack"]["head"]["seq"]

    scene.until_true("closed and sealed", over)
    return scene.incident(name)


def lived(story: Story, scene: TrialScene, incidents: tuple[Document, ...], door: Door, restarts: int) -> Life:
    lines = {incident["metadata"]["name"]: timeline(incident) for incident in incidents}
    return Life(
        options={option: state for incident in incidents for option, state in states(incident).items()},
        environment=scene.environment(),
        settings=scene.settings(),
        effects=Counter(written.token.partition("/")[2] for written in door.written if written.token),
        told=Counter(anywhere(said, scene.namespace) for name, timeline in lines.items() for said in told(name, timeline)),
        unknown=frozenset(written.token.partition("/")[2] for written in door.unknown if written.token),
        writes=door.written,
        restarts=restarts,
        late=late(story, incidents, door),
        evidence_first=all(evidence_first([line["key"] for line in timeline]) for timeline in lines.values()),
        problems="; ".join(problems for incident in incidents if (problems := unproven(incident))),
        left=story.looks(scene, incidents, door),
    )


def told(incident: str, timeline: list[Document]) -> Iterator[tuple[str, str, str]]:
    """What every life tells, and as often. A hold that was lost is verified anew: that is told once more, and here it is not."""
    anew: set[str] = set()
    for line in timeline:
        key = line["key"]
        if key.endswith("/lost"):
            anew.add(key.replace("/hold/", "/verify/").replace("/lost", "/confirmed"))
        if key in anew:
            anew.remove(key)
        elif steady(key, line):
            yield f"{incident}/{same(key)}", line["action"], line.get("expectation", "")


def anywhere(said: tuple[str, str, str], namespace: str) -> tuple[str, str, str]:
    """The same in each lane."""
    key, action, expectation = (part.replace(namespace, "NAMESPACE") for part in said)
    return key, action, expectation


def unproven(incident: Document) -> str:
    """What is wrong with its pack; empty: nothing."""
    pack = incident["status"]["pack"]
    found = verify(folder_of(incident), pack["head"]["hash"], pack["manifest"])
    return "" if found.ok else f"{found.problems}"


def late(story: Story, incidents: tuple[Document, ...], door: Door) -> float:
    """Seconds from when the timed step was to be taken back until it was."""
    (debt,) = [record for incident in incidents for record in incident["status"].get("reverts", ()) if named(record) == story.timed]
    taken = (written.at for written in (*door.written, *door.unknown) if written.token.endswith(f"/{story.timed}/revert"))
    back, due = min(taken), datetime.fromisoformat(debt["dueAt"])
    waited = covered((due, back), door.trouble.waited if door.trouble else ())
    return (back - due - waited).total_seconds()


def named(record: Document) -> str:
    return f"{record['option']}/{record['step']}"


def evidence_first(keys: list[str]) -> bool:
    """Whether the first evidence stands in the timeline before the first intent of a step."""
    evidence = [place for place, key in enumerate(keys) if "/evidence/" in key]
    intents = [place for place, key in enumerate(keys) if "/intent/" in key]
    return bool(evidence and intents) and evidence[0] < intents[0]


# How the keys of what is each life's own end.
PASSING = ("stale", "waits", "unheeded", "unrestored")


def steady(key: str, line: Document) -> bool:
    """Whether every life tells it. How often a step was intended, that an intent was found unwritten, which captures there
    were, that nobody took it on or that it was not mitigated in time, and that a hold was not watched to its end (a new leader lets
    it begin anew) is each life's own."""
    if any(part in key for part in ("/intent/", "/evidence/")) or key.rpartition("/")[2] in PASSING:
        return False
    return line.get("result") != f"unknown: {UNWATCHED}"


def same(key: str) -> str:
    """A Decision's key ends with its UID."""
    return key.partition("/decision/")[0] + "/decision" if "/decision/" in key else key
