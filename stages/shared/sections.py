"""What every part of the parameters is made of: a section, and a choice of a plug-in with its options."""

from dataclasses import dataclass
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from stages.shared import plugins

Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of params.yaml: every key is needed, no other is allowed, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Choice(Section):
    """The choice of a plug-in: its `name`, and its options. Each plug-in file holds a subclass named Params."""

    name: str


@dataclass(frozen=True)
class ChosenFrom:
    """Marks a field that holds the `Params` of the file of stages/<folder>/ that `name` names, or a list of them."""

    folder: str


def _refuse(message: str) -> Any:
    def refuse(_value: Any) -> Any:
        raise ValueError(message)

    return Annotated[Any, BeforeValidator(refuse)]


def _chosen_class(folder: str, raw: Any) -> Any:
    """The class of a chosen plug-in's options; where the name is wrong, a type that refuses it."""
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        return _refuse(f"needs a `name`, one of {plugins.names_of(folder)}")
    try:
        return plugins.load(folder, raw["name"]).Params
    except ValueError as error:
        return _refuse(f"name: {error}")
    except ImportError as error:
        return _refuse(f"name: '{raw['name']}' needs the Python package '{error.name}', which is not installed")


def _chosen_classes(folder: str, raw: Any) -> Any:
    """The type of a list of choices, each with the class of its own options."""
    if not isinstance(raw, list):
        return _refuse(f"needs a list, as [] or [{{name: {plugins.names_of(folder)[0]}, ...}}]")
    kinds = [_chosen_class(folder, value) for value in raw]
    whole = tuple[tuple(kinds)] if kinds else tuple[()]  # type: ignore[misc]  # known only now
    return Annotated[whole, BeforeValidator(tuple)]


def concrete(section: type[Section], raw: Any) -> type[Section]:
    """The section with the class of every plug-in that `raw` chooses in place, so that all is checked at once."""
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        value = raw.get(field.alias or name) if isinstance(raw, dict) else None
        kind = field.annotation
        chosen = next((mark for mark in field.metadata if isinstance(mark, ChosenFrom)), None)
        if chosen is not None:
            found = _chosen_classes if get_origin(kind) is list else _chosen_class
            fields[name] = (found(chosen.folder, value), ...)
        elif isinstance(kind, type) and issubclass(kind, Section):
            inner = concrete(kind, value)
            if inner is not kind:
                fields[name] = (inner, Field(alias=field.alias))
    return create_model(section.__name__, __base__=section, **fields) if fields else section
