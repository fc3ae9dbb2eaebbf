"""Messages to people outside: drafted with a plan, released by whom the policy names for exactly the text that was read, or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.messages import MOST, MessageRecord, MessageState
from stanch.domain.plan import Occasion, Pin
from stanch.domain.timeline import File
from stanch.engine import moves, outcomes
from tests.unit.play import DIGEST, NO, Play, approval, option, plan

TEXTS = {"P0": "sha256:" + "1" * 64, "P1": "sha256:" + "2" * 64}
ASKED = plan(option("undo", approval=approval(incident_commander=1)))


def drafted(severity: str, name: str = "status-page", **changes: Any) -> MessageRecord:
    record = MessageRecord(name, "all customers", "comms", MessageState.Draft, TEXTS[severity], f"It is {severity}")
    return replace(record, **changes)


def play(*more: MessageRecord, **changes: Any) -> Play:
    """Its policy tells everybody how grave it is."""
    made = Play(**{"plan": ASKED, **changes})

    def resolve(effect: moves.Resolve) -> outcomes.Resolved:
        severity = made.status.classified.severity if made.status.classified else "P0"
        made.plan = replace(made.plan, attempt=effect.attempt, occasion=Occasion("availability", severity, "frontend"))
        records = (drafted(severity), *more)
        files = tuple(File(record.file, record.digest.removeprefix("sha256:"), 8) for record in records if record.digest)
        return outcomes.Resolved(made.plan, DIGEST, Pin("aureus"), "", {}, "file:///packs/x", levels=("P0", "P1"), messages=records,
                              drafts=files)  # fmt: skip

    made.answers[moves.Resolve] = resolve
    return made


def releases(made: Play, **said: str) -> None:
    made.say(Verb.Release, **{"by": "mia", "role": "comms", "message": "status-page", "message_digest": TEXTS["P0"], **said})
    made.tick()


def first(made: Play) -> MessageRecord:
    return made.status.messages[0]


def ending(made: Play) -> str:
    return next(entry.line.result for entry in reversed(made.chain) if "/decision/" in entry.line.key)


@pytest.mark.requirement("A-19")
def test_it_is_a_draft_until_whoever_the_policy_names_releases_what_they_read() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    assert first(made) == drafted("P0")
    (told,) = [entry.line for entry in made.chain if entry.line.action == "Draft messages"]
    assert told.files == (File("messages/status-page-111111111111.txt", "1" * 64, 8),)
    releases(made)
    record = first(made)
    assert (record.state, record.by, record.at, record.text) == (MessageState.Released, "mia", made.now, "It is P0")
    line = next(entry.line for entry in made.chain if entry.line.action == "Release status-page")
    assert line.actor == "mia" and TEXTS["P0"] in line.result and "stanch does not" in line.result
    assert made.status.phase is Phase.AwaitingApproval and made.written == [], "it changes nothing else"


WITHOUT_EFFECT: dict[str, tuple[dict[str, str], str]] = {
    "another role": ({"role": "incident-commander"}, "status-page is released as comms, not as incident-commander"),
    "no role": ({"role": ""}, "not as no role"),
    "another text": ({"message_digest": TEXTS["P1"]}, f"it names text {TEXTS['P1']}, the text is {TEXTS['P0']}: read it again"),
    "no text": ({"message_digest": ""}, "read it again"),
    "no such message": ({"message": "press"}, "there is no message 'press'; there are: status-page"),
}


@pytest.mark.requirement("A-19")
@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_what_does_not_release_it_is_told_and_leaves_it_a_draft(name: str) -> None:
    said, why = WITHOUT_EFFECT[name]
    made = play()
    made.until(Phase.AwaitingApproval)
    releases(made, **said)
    assert first(made) == drafted("P0")
    assert ending(made).startswith("no effect: ") and why in ending(made)


def test_a_policy_without_messages_has_none_to_release() -> None:
    made = Play(plan=ASKED)
    made.until(Phase.AwaitingApproval)
    releases(made)
    assert "there are: none" in ending(made) and not made.status.messages
    assert not [entry for entry in made.chain if entry.line.action == "Draft messages"]


@pytest.mark.requirement("A-19")
def test_released_once_its_text_is_fixed_whatever_is_said_or_planned_later() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    releases(made)
    was = first(made)
    releases(made, by="zoe")
    assert "mia released status-page already, at " in ending(made)
    made.say(Verb.Classify, severity="P1")
    made.until(Phase.AwaitingApproval)
    releases(made, message_digest=TEXTS["P1"])
    assert made.status.attempt == 2 and made.status.messages == (was,)


@pytest.mark.requirement("A-19", "A-02")
def test_classified_otherwise_it_is_drafted_anew_and_what_was_read_before_releases_nothing() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Classify, severity="P1")
    made.until(Phase.AwaitingApproval)
    assert first(made) == drafted("P1")
    releases(made)
    assert "read it again" in ending(made) and first(made).state is MessageState.Draft
    releases(made, message_digest=TEXTS["P1"])
    assert first(made).state is MessageState.Released


@pytest.mark.requirement("A-19", "A-02")
def test_what_says_how_grave_it_was_is_void_while_an_option_goes_on() -> None:
    made = play(plan=plan(option("restart")), readings={"health": NO})
    made.until(Phase.Verifying)
    made.say(Verb.Classify, severity="P1")
    made.tick()
    assert (first(made).state, first(made).text, first(made).digest) == (MessageState.Void, "", "")
    releases(made)
    assert "has no text to release: severity is P1 instead of P0" in ending(made)
    made.until(Phase.Escalated)
    made.say(Verb.Resume)
    made.tick()
    assert first(made) == drafted("P1")


def test_a_severity_that_is_confirmed_changes_no_draft() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Classify, severity="P0")
    made.tick()
    assert first(made) == drafted("P0")


@pytest.mark.requirement("A-19")
@pytest.mark.parametrize("end", [Verb.Abort, Verb.Close])
def test_what_is_over_tells_nobody_anything_more(end: Verb) -> None:
    made = play(plan=plan(option("restart")))
    made.until(Phase.Resolved if end is Verb.Close else Phase.Holding)
    made.say(end)
    made.until(Phase.Closed, Phase.Aborted)
    releases(made)
    assert first(made) == drafted("P0") and f"that is {made.status.phase} tells nobody" in ending(made)


@pytest.mark.requirement("A-19")
def test_that_it_is_over_may_still_be_told_once_it_is_resolved() -> None:
    made = play(plan=plan(option("restart")))
    made.until(Phase.Resolved)
    releases(made)
    assert first(made).state is MessageState.Released and made.status.phase is Phase.Resolved


def test_one_that_has_no_text_is_released_by_nobody() -> None:
    why = "incident.component is not known"
    made = play(drafted("P0", "press", state=MessageState.Void, digest="", text="", why=why))
    made.until(Phase.AwaitingApproval)
    releases(made, message="press", message_digest="")
    assert ending(made) == f"no effect: press has no text to release: {why}"


@pytest.mark.parametrize("when", ["between the status and the mark", "before anything"])
def test_a_release_that_is_read_twice_counts_once(when: str) -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Release, by="mia", role="comms", message="status-page", message_digest=TEXTS["P0"])
    if when == "between the status and the mark":
        assert isinstance(made.step().effect, moves.Mark)
    made.epoch += 1
    made.tick()
    said = [entry.line for entry in made.chain if entry.line.action == "Release status-page"]
    assert len(said) == 1 and first(made).state is MessageState.Released


def full(released: int) -> Callable[[], Play]:
    def made() -> Play:
        done = tuple(drafted("P0", f"done-{n}", state=MessageState.Released, by="mia") for n in range(released))
        play_ = play(*(drafted("P0", f"more-{n}") for n in range(MOST - 1)))
        play_.status = replace(play_.status, messages=done)
        return play_

    return made


@pytest.mark.parametrize("made", [full(0), full(3), full(MOST)])
def test_no_more_are_kept_than_there_is_room_for_and_what_was_released_goes_last(made: Callable[[], Play]) -> None:
    played = made()
    done = played.status.messages
    played.until(Phase.AwaitingApproval)
    assert len(played.status.messages) == MOST and played.status.messages[: len(done)] == done
    told = [entry.line for entry in played.chain if entry.line.action == "Draft messages"]
    assert [len(line.files) for line in told] == [8, 8] and len({line.key for line in told}) == 2
