"""Documents that the official SDK's models accept."""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from retab.types.workflows.evals import AssertionSchemaDep, AssertionSpec

from support.contract import JSON, WORDS, documents, schema_of

UNIONS = (types.UnionType, typing.Union)


CONDITIONS: tuple[type[BaseModel], ...] = typing.get_args(
    AssertionSpec.model_fields["condition"].annotation
)


def kind_of(condition: type[BaseModel]) -> str:
    kind: str = condition.model_fields["kind"].default
    return kind


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    """Conditions of every kind; those that hold another one hold a simple one."""
    nested = [each for each in CONDITIONS if "condition" in each.model_fields]
    simple = st.one_of([accepted(each) for each in CONDITIONS if each not in nested])
    holding = st.fixed_dictionaries(
        {"kind": st.sampled_from([kind_of(each) for each in nested]), "condition": simple}
    )
    return simple | holding


def accepted(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Documents that a model without parts accepts."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    required = {name for name, field in fields.items() if field.is_required() or name == "kind"}
    values = {name: _values(field) for name, field in fields.items()}
    return st.fixed_dictionaries(
        {name: values[name] for name in required},
        optional={name: values[name] for name in fields if name not in required},
    )


def _values(field: FieldInfo) -> st.SearchStrategy[Any]:
    return _of_type(field.annotation)


def _of_type(annotation: Any) -> st.SearchStrategy[Any]:
    if typing.get_origin(annotation) in UNIONS:
        return st.one_of([_of_type(each) for each in typing.get_args(annotation)])
    if typing.get_origin(annotation) is typing.Literal:
        return st.sampled_from(typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from([each.value for each in annotation])
    found: dict[Any, st.SearchStrategy[Any]] = {
        Any: JSON,
        str: WORDS,
        int: st.integers(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        dict[str, Any]: st.dictionaries(WORDS, JSON, max_size=3),
        types.NoneType: st.none(),
    }
    return found[annotation]


def saved_evals() -> st.SearchStrategy[dict[str, Any]]:
    """Evals that contract and SDK allow: the contract leaves two parts open that the SDK does not.

    These are the keys of a condition, and ``assertion_schema_dep``.
    """
    evals = documents(schema_of("WorkflowEval"))
    return st.builds(_filled, evals, conditions(), accepted(AssertionSchemaDep))


def _filled(
    document: dict[str, Any], condition: dict[str, Any], dependency: dict[str, Any]
) -> dict[str, Any]:
    filled = dict(document)
    if filled.get("assertion") is not None:
        filled["assertion"] = {**filled["assertion"], "condition": condition}
    if filled.get("assertion_schema_dep") is not None:
        filled["assertion_schema_dep"] = dependency
    return filled
