"""`stanch release` and `stanch messages`: what is to be told outside is read before it is released, and printed for its sender."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stanch.cli.about_messages import show
from stanch.cli.decide import Manner, Said
from stanch.cli.ending import Ending
from stanch.cli.output import Format
from stanch.cli.speaking import Asking, speak
from stanch.domain.decision import Verb
from stanch.domain.incident import PackRecord, Phase, Status
from stanch.domain.messages import MessageRecord, MessageState
from tests.unit.cli_kit import ESCAPE, becomes, created, incident, parsed, session
from tests.unit.memory import MemoryServer
from tests.unit.play import T0

TEXT = "The shop does not answer.\n\nWe are on it."
DIGEST = "sha256:" + hashlib.sha256(TEXT.encode()).hexdigest()
DRAFT = MessageRecord("status-page", "all customers", "comms", MessageState.Draft, DIGEST, TEXT)
DONE = replace(DRAFT, state=MessageState.Released, by="mia", at=T0)
VOID = MessageRecord("press", "the press", "comms", MessageState.Void, why="incident.component is not known")
SHOWN = [f"  Message status-page for all customers, text {DIGEST}:", "  | The shop does not answer.", "  | ", "  | We are on it.",
         "  Its text is fixed then. stanch sends it nowhere: people do"]  # fmt: skip


class Desk:
    """Mia at a terminal, who says yes; `status` is how the incident stands."""

    def __init__(self, *messages: MessageRecord, **status: Any) -> None:
        self.server = MemoryServer()
        self.ref = incident(self.server)
        self.questions: list[str] = []
        self.meanwhile: tuple[MessageRecord, ...] | None = None
        self.stands(*messages, **status)

    def stands(self, *messages: MessageRecord, **status: Any) -> None:
        becomes(self.server, self.ref, replace(Status(phase=Phase.Verifying), messages=messages, **status))

    def yes(self, question: str) -> bool:
        self.questions.append(question)
        if self.meanwhile is not None:
            self.stands(*self.meanwhile)
            self.meanwhile = None
        return True

    async def releases(self, name: str = "status-page", role: str = "comms", **said: str) -> dict[str, Any]:
        speaks = Said(Verb.Release, "frontend-502", role=role, message=name, **said)
        await speak(session(self.server, "mia"), speaks, Asking(False, self.yes, "", True), Manner(False))
        (made,) = created(self.server)
        return made["spec"]

    async def shows(self, name: str = "", output: Format = Format.text) -> None:
        await show(session(self.server), "frontend-502", name, output)


@pytest.mark.requirement("A-19")
async def test_the_text_is_shown_and_asked_and_the_decision_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(DRAFT)
    spec = await desk.releases()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1 : 1 + len(SHOWN)] == SHOWN and desk.questions == ["Release status-page of frontend-502?"]
    assert (spec["verb"], spec["role"], spec["message"], spec["messageDigest"]) == ("Release", "comms", "status-page", DIGEST)


async def test_a_text_that_changes_while_one_is_asked_is_shown_and_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(DRAFT)
    other = "All is well."
    digest = "sha256:" + hashlib.sha256(other.encode()).hexdigest()
    desk.meanwhile = (replace(DRAFT, text=other, digest=digest),)
    spec = await desk.releases()
    _, _, after = capsys.readouterr().out.partition("It has changed")
    assert len(desk.questions) == 2 and "| All is well." in after and spec["messageDigest"] == digest


REFUSED: dict[str, tuple[MessageRecord, dict[str, Any], str]] = {
    "no such one": (DRAFT, {"name": "faq"}, "there is no message 'faq'; there are: status-page"),
    "another role": (DRAFT, {"role": "scribe"}, "status-page is released as comms, not as scribe"),
    "another text": (DRAFT, {"message_digest": "sha256:" + "0" * 64}, f"but the text is {DIGEST} now: read it again"),
    "again": (DONE, {}, "mia released status-page already, at 03:00:00 UTC"),
    "without a text": (VOID, {"name": "press"}, "press has no text to release: incident.component is not known"),
    "with a changed text": (replace(DRAFT, text="All is well."), {}, "is not the one with digest .*: somebody changed it"),
    "out of reach": (replace(DRAFT, text=""), {}, "which is no folder of this machine"),
}


@pytest.mark.requirement("A-19")
@pytest.mark.parametrize("name", REFUSED)
async def test_what_would_have_no_effect_or_cannot_be_read_is_not_asked(name: str) -> None:
    record, said, why = REFUSED[name]
    desk = Desk(record, pack=PackRecord("s3://packs/aureus/frontend-502"))
    with pytest.raises(Ending, match=why):
        await desk.releases(**said)
    assert not created(desk.server) and not desk.questions


async def test_nothing_is_released_of_what_is_over() -> None:
    with pytest.raises(Ending, match="that is Closed tells nobody anything more"):
        await Desk(DRAFT, phase=Phase.Closed).releases()


async def test_a_text_that_the_status_has_no_room_for_is_read_from_the_pack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(replace(DRAFT, text=""), pack=PackRecord(str(tmp_path)))
    with pytest.raises(Ending, match=r"messages/status-page-\w{12}.txt in .*: it cannot be read: No such file"):
        await desk.releases()
    (tmp_path / "messages").mkdir()
    (tmp_path / DRAFT.file).write_text(TEXT)
    await desk.releases()
    assert capsys.readouterr().out.splitlines()[1 : 1 + len(SHOWN)] == SHOWN


async def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    await Desk(DONE, VOID).shows()
    assert capsys.readouterr().out.splitlines() == [
        "NAME          STATE      AUDIENCE        ROLE    RELEASED BY   WHY",
        "status-page   Released   all customers   comms   mia",
        "press         Void       the press       comms                 incident.component is not known",
    ]


async def test_one_is_printed_as_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    await Desk(DONE).shows("status-page")
    assert capsys.readouterr() == (f"{TEXT}\n", "")
    await Desk(DRAFT).shows("status-page")
    out, beside = capsys.readouterr()
    assert out == f"{TEXT}\n" and beside == (
        "status-page is a draft: nobody outside may be told it before comms releases it\n")  # fmt: skip
    with pytest.raises(Ending, match="press has no text: incident"):
        await Desk(VOID).shows("press")


async def test_a_text_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    text = f"{ESCAPE}[2J  All is well."
    desk = Desk(replace(DONE, text=text, digest="sha256:" + hashlib.sha256(text.encode()).hexdigest()))
    await desk.shows("status-page")
    assert capsys.readouterr().out == "\\u001b[2J  All is well.\n"


async def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    await Desk(DONE, VOID).shows(output=Format.json)
    done, void = parsed(capsys.readouterr().out)["messages"]
    assert (done["name"], done["text"], done["digest"], done["by"]) == ("status-page", TEXT, DIGEST, "mia")
    assert done["file"] == DONE.file and (void["state"], void["file"]) == ("Void", "")
