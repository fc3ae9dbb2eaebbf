"""Objects as templates of Helm: YAML, in which `{{` of the object's own stays text and expressions stand where they were put."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

# Nothing is folded: a line that breaks inside an expression is none.
ONE_LINE = 1_000_000
TOKEN = "TEMPLATE{}EXPRESSION"
INLINE = re.compile(TOKEN.format(r"(\d+)"))
# A token that is alone on its line, as an item of a list or as a key.
ALONE = re.compile(rf"^( *)(?:- )?'{INLINE.pattern}'(?:: null)?$", re.MULTILINE)


@dataclass(frozen=True)
class Inline:
    """An expression that stands for a value: it puts out JSON, which is YAML wherever it stands."""

    text: str


@dataclass(frozen=True)
class Lines:
    """Lines in place of an item of a list, or of a key (whose value is None)."""

    text: str


class _Alone(str):
    """A token that must have its line for itself."""


class _Dumper(yaml.SafeDumper):
    """Writes out what appears twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# A scalar with a style keeps what it is in from being written in one line.
_Dumper.add_representer(_Alone, lambda dumper, data: dumper.represent_scalar("tag:yaml.org,2002:str", str(data), style="'"))


def escaped(text: str) -> str:
    """Puts out this text when Helm renders it."""
    return text.replace("{{", '{{ "{{" }}')


def template(document: dict[str, Any]) -> str:
    texts: list[str] = []
    marked = _marked(document, texts)
    text = yaml.dump(marked, Dumper=_Dumper, sort_keys=False, width=ONE_LINE, default_flow_style=None, allow_unicode=True)
    text = ALONE.sub(lambda token: _indented(texts[int(token[2])], token[1]), escaped(text))
    return INLINE.sub(lambda token: texts[int(token[1])], text)


def when(condition: str, text: str, *, word: str = "if") -> str:
    return f"{{{{- {word} {condition} }}}}\n{text}{{{{- end }}}}\n"


def _marked(value: Any, texts: list[str]) -> Any:
    """With tokens for the expressions, whose texts are added to `texts`."""
    match value:
        case Inline(text) | Lines(text):
            texts.append(text)
            token = TOKEN.format(len(texts) - 1)
            return token if isinstance(value, Inline) else _Alone(token)
        case dict():
            return {_marked(key, texts): _marked(item, texts) for key, item in value.items()}
        case list():
            return [_marked(item, texts) for item in value]
    return value


def _indented(text: str, indent: str) -> str:
    return "\n".join(indent + line for line in text.splitlines())
