"""What is shipped or shown as YAML: the README's examples, and the files that people apply."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.unit.source_tree import ROOT

Object = dict[str, Any]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*/*.yaml"))
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(file: str = "README.md") -> list[Object]:
    """The YAML of the README, in its order."""
    return [yaml.safe_load(block) for block in _BLOCK.findall((ROOT / file).read_text())]


def examples() -> list[Object]:
    """The README's objects. A part of a Playbook stands in the Playbook before it; a kustomization is none of ours."""
    found: list[Object] = []
    for block in blocks():
        if "kind" in block:
            found.append(block)
        elif "steps" in block:
            whole = yaml.safe_load(yaml.safe_dump(next(each for each in reversed(found) if each["kind"] == "Playbook")))
            whole["spec"]["options"][-1]["steps"] = block["steps"]
            whole["spec"] |= {part: block[part] for part in ("recovery", "targets") if part in block}
            found.append(whole)
    return found
