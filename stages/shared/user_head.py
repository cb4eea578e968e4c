"""The user's own head: where its class is, whether it may be imported, and whether it fits."""

import importlib
import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import torch
from torch import nn

from stages.shared.errors import ParamsError
from stages.shared.plugins import nearest


def _spec_of(reference: str, module: str) -> ModuleSpec | None:
    """Where Python finds a module, without importing it; but what is before a dot in its name is imported."""
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            return None
        raise ParamsError(f"task.head: '{reference}': importing {module} fails: {error!r}.") from None
    except Exception as error:  # the user's own code may fail in any way
        raise ParamsError(f"task.head: '{reference}': importing {module} fails: {error!r}.") from None


def _places(spec: ModuleSpec) -> list[Path]:
    """The file of a module, or the folders of a package; none of what is built into Python."""
    folders = list(spec.submodule_search_locations or [])
    return [Path(place) for place in folders or ([spec.origin] if spec.has_location and spec.origin else [])]


def _require_allowed(reference: str, from_packages: bool) -> None:
    """Raise ParamsError when the top of the head's module does not lie in the folder that the pipeline runs in.

    What Python would import is looked at, not what lies there: another of the same name may come before it.
    """
    if from_packages:
        return
    top = reference.partition(":")[0].partition(".")[0]
    spec = _spec_of(reference, top)
    places = [] if spec is None else _places(spec)
    here = Path.cwd().resolve()
    if places and all(place.parent.resolve() == here for place in places):
        return
    found = f"there is no {top} in this folder" if spec is None else f"{top} is not in this folder"
    elsewhere = f" but in {places[0].parent}" if places else ""
    raise ParamsError(
        f"task.head: '{reference}': {found}{elsewhere}, and a module from elsewhere is imported only if "
        f"task.head_from_packages is true. Put the head into heads/, or allow it."
    )


def head_file(reference: str, from_packages: bool) -> Path:
    """The source file of the user's head, `package.module:Class`.

    Raises:
        ParamsError: its module is not there, fails, or lies outside this folder and may not be imported.
    """
    _require_allowed(reference, from_packages)
    module = reference.partition(":")[0]
    spec = _spec_of(reference, module)
    if spec is None or not spec.has_location or spec.origin is None:
        raise ParamsError(f"task.head: '{reference}': there is no module {module}.{_near_modules(module)}")
    return Path(spec.origin)


def _near_modules(module: str) -> str:
    folder = Path(*module.split(".")[:-1])
    there = sorted(".".join(file.with_suffix("").parts) for file in folder.glob("[!_]*.py"))
    return nearest(module, there) or (f" There are: {', '.join(there)}." if there else "")


def _head_class(reference: str) -> type[nn.Module]:
    module, _, name = reference.partition(":")
    try:
        loaded = importlib.import_module(module)
    except Exception as error:  # the user's own code may fail in any way
        raise ParamsError(f"task.head: '{reference}': importing {module} fails: {error!r}.") from None
    kind = getattr(loaded, name, None)
    if not isinstance(kind, type) or not issubclass(kind, nn.Module):
        there = sorted(
            other
            for other, value in vars(loaded).items()
            if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module
        )
        raise ParamsError(
            f"task.head: '{reference}': {module} has no torch module '{name}'.{nearest(name, there)} It has: {there}."
        )
    return kind


def made_head(reference: str, hidden_size: int, outputs: int, per_token: bool) -> nn.Module:
    """The user's head, tried on two texts of three tokens.

    Raises:
        ParamsError: it cannot be imported, fails, or gives another shape than (batch, outputs) or, `per_token`,
            (batch, tokens, outputs).
    """
    shape = (2, 3, outputs) if per_token else (2, outputs)
    kind = _head_class(reference)
    try:
        head = kind(hidden_size, outputs)
        head.train(False)  # so that the trial leaves no trace in running means, nor in torch's chance
        with torch.no_grad():
            said = head(torch.zeros(2, 3, hidden_size), torch.ones(2, 3, dtype=torch.int64))
        found = tuple(said.shape)
    except Exception as error:  # the user's own code may fail in any way
        raise ParamsError(
            f"task.head: '{reference}' fails: {error!r}. It is made as {kind.__name__}(hidden_size, outputs) and "
            f"called with hidden (batch, tokens, {hidden_size}) and attention_mask (batch, tokens)."
        ) from None
    if found != shape:
        raise ParamsError(
            f"task.head: '{reference}' gives the shape {found} for two texts of three tokens, not {shape}."
        )
    return head.train()
