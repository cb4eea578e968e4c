"""What every part of the parameters is made of: a section, and a choice of a plug-in with its options."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny

from stages.shared import plugins


class Section(BaseModel):
    """A part of params.yaml: every key is needed, no other is allowed, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Choice(Section):
    """The choice of a plug-in: its `name`, and its options. Each plug-in file holds a subclass named Params."""

    name: str


def chosen_from(folder: str) -> Any:
    """The annotation of a Choice whose class is the `Params` of the file that `name` names in stages/<folder>/."""

    def validate(value: Any) -> Any:
        if isinstance(value, Choice):
            return value
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise ValueError(f"needs a `name`: one of {plugins.names_of(folder)}")
        return plugins.load(folder, value["name"]).Params.model_validate(value)

    return Annotated[SerializeAsAny[Choice], BeforeValidator(validate)]
