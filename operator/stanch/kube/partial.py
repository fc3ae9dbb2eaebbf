"""Lists of metadata alone, without `managedFields`: those are most of such an answer, nobody looks at them there, and the sweep
reads all open incidents twice a minute. What is skipped here is skipped by the parser, before Python has an object of it.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
"""

from __future__ import annotations

from typing import cast

from pydantic_core import SchemaValidator
from pydantic_core.core_schema import any_schema, list_schema, nullable_schema, str_schema, typed_dict_field, typed_dict_schema

from stanch.engine.ports import Object

ACCEPT = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
_ALWAYS = ("name", "resourceVersion")
_WHERE_SET = (
    *("namespace", "uid", "generateName", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    *("labels", "annotations", "finalizers", "ownerReferences"),
)
_METADATA = typed_dict_schema(
    {name: typed_dict_field(str_schema()) for name in _ALWAYS}
    | {name: typed_dict_field(any_schema(), required=False) for name in _WHERE_SET}
)
_ITEMS = nullable_schema(list_schema(typed_dict_schema({"metadata": typed_dict_field(_METADATA)})))
_PAGE = SchemaValidator(
    typed_dict_schema({"metadata": typed_dict_field(any_schema()), "items": typed_dict_field(_ITEMS, required=False)})
)


def metadata_page(body: bytes) -> Object:
    """A page of a PartialObjectMetadataList. Raises `ValueError` for anything else."""
    return cast(Object, _PAGE.validate_json(body))
