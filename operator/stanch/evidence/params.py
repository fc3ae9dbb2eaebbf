"""What the parameters of all sources have in common. They become part of the CRD: every string and list is bounded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from stanch.domain.record import camel


class Params(BaseModel):
    """Base of a source's parameters: spelled in camelCase, unknown ones refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)


class PodParams(Params):
    """Parameters of a source that looks at pods."""

    selector: str = Field(
        "",
        max_length=1024,
        description="Label selector of further pods of the namespace, beside those that belong to the targets, "
        "e.g. app=frontend,tier in (web,edge).",
    )
