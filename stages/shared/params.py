"""params.yaml, typed: the sections in the order of the file, no defaults, every mistake in one error."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.shared.errors import ParamsError
from stages.shared.fitting_params import Fitting
from stages.shared.plugins import nearest
from stages.shared.search_params import Search
from stages.shared.secrets import refuse_secrets
from stages.shared.sections import ChosenFrom, Fraction, Section, concrete

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
PARAMS_FILE = Path("params.yaml")


class Ingest(Section):
    source: Annotated[Any, ChosenFrom("sources")]
    label_names: dict[str, str]
    label_separator: str | None = Field(min_length=1)
    splits: dict[Split, Fraction]
    max_rejected_share: Fraction

    @model_validator(mode="after")
    def _splits_are_whole(self) -> Self:
        if set(self.splits) != set(SPLITS) or abs(sum(self.splits.values()) - 1) > 1e-9:
            raise ValueError(f"splits: {self.splits} must give {', '.join(SPLITS)}, and add up to 1")
        return self


class Bounds(Section):
    min: int = Field(ge=1)
    max: int = Field(ge=1)


class FaultLimits(Section):
    empty_text: Fraction
    unusable_label: Fraction
    length: Fraction
    duplicate: Fraction
    conflict: Fraction
    leak: Fraction
    near_leak: Fraction


class Language(Section):
    expected: str | None = Field(min_length=2, max_length=2)
    min_share: Fraction
    sample: int = Field(gt=0)


class LabelErrors(Section):
    """How labels that are probably wrong are looked for.

    Attributes:
        folds: into which the rows are cut; each is judged by a probe fitted on the others.
        max_share: fraction of the rows that may be suspected.
        set_aside: whether those of train and validation are set aside.
    """

    folds: int = Field(ge=2)
    max_share: Fraction
    set_aside: bool


class Validate(Section):
    characters: Bounds
    sides: Bounds
    limits: FaultLimits
    max_cut_share: Fraction
    max_unknown_token_share: Fraction
    min_rows: dict[Split, int]
    min_rows_per_class: int = Field(ge=1)
    max_class_share: Fraction
    near_duplicate_similarity: float = Field(ge=0.5, lt=1)
    language: Language
    label_errors: LabelErrors | None


class Synonyms(Section):
    copies: int = Field(ge=0, le=20)
    rate: Fraction
    thesaurus: Annotated[Any, ChosenFrom("thesauri")]


class BackTranslation(Section):
    copies: int = Field(ge=0, le=1)
    share: Fraction
    min_kept_share: Fraction
    translator: Annotated[Any, ChosenFrom("translators")]


class PictureCopies(Section):
    copies: int = Field(ge=0, le=20)
    flip: Literal["none", "horizontal", "vertical", "both"]
    crop: float = Field(ge=0, lt=1)
    colour: float = Field(ge=0, lt=1)


class Augment(Section):
    synonyms: Synonyms
    back_translation: BackTranslation
    pictures: PictureCopies
    trial: bool


class Base(Section):
    base: str | None = Field(min_length=1)
    revision: str | None
    sha256: str | None = Field(pattern="^[0-9a-f]{64}$")


class NewTokenizer(Section):
    kind: Literal["wordpiece", "bpe", "unigram"]
    vocabulary: int = Field(ge=300, le=1_000_000)
    lowercase: bool


class FromScratch(Section):
    tokenizer: NewTokenizer | None
    model: dict[str, Any]


class Pretrain(Base):
    from_scratch: FromScratch | None
    text: str = Field(min_length=1)
    documents: Literal["line", "paragraph"]
    objective: Annotated[Any, ChosenFrom("objectives")]

    @model_validator(mode="after")
    def _base_or_from_scratch(self) -> Self:
        if (self.base is None) == (self.from_scratch is None):
            raise ValueError("from_scratch: give either a base, or base: null and what is made from scratch")
        if self.base is None and (self.revision or self.sha256):
            raise ValueError("revision, sha256: of a base; from scratch (base: null) both are null")
        return self


class Ensemble(Section):
    """Several models that are trained and joined.

    Attributes:
        members: how many.
        by: what tells them apart: the seed, or the fold of the training rows that each is without.
        join: their weights averaged as long as validation improves, or the probabilities that they give.
    """

    members: int = Field(ge=2, le=20)
    by: Literal["seeds", "folds"]
    join: Literal["soup", "probabilities"]


class Train(Fitting):
    method: Annotated[Any, ChosenFrom("methods")]
    regularizers: Annotated[list[Any], ChosenFrom("regularizers")]
    ensemble: Ensemble | None
    class_weights: Literal["none", "balanced"]
    focal_gamma: float = Field(ge=0)


class Evaluate(Section):
    batch_size: int = Field(gt=0)
    bootstrap_samples: int = Field(ge=100)
    worst_errors: int = Field(ge=0)
    show_texts: bool
    samples: int = Field(ge=0)
    ladder: bool


class ParityLimits(Section):
    """How far a smaller model may be from the one that it is made of."""

    min_agreement: Fraction
    max_primary_drop: float = Field(ge=0)  # in its own unit: BLEU goes to 100
    max_class_drop: Fraction


class Student(Fitting):
    """A smaller model, and how it learns from the trained one.

    Attributes:
        layers: how many are kept; None is all.
        feed_forward: fraction of the width of each layer's feed-forward part that is kept.
        vocabulary: the pieces that are kept: all, or those of the texts.
        temperature: what the logits of both are divided by when they are compared.
        soft_weight: fraction of the loss that is the teacher's answer, not the label.
        hidden_weight: of the distance of the layers' outputs, beside that loss.
    """

    layers: int | None = Field(ge=1)
    feed_forward: float = Field(gt=0, le=1)
    vocabulary: Literal["all", "corpus"]
    temperature: float = Field(gt=0)
    soft_weight: Fraction
    hidden_weight: float = Field(ge=0)
    limits: ParityLimits


class Distill(Section):
    text: str = Field(min_length=1)
    student: Student | None


class QuantizeLimits(ParityLimits):
    max_logit_difference: float = Field(gt=0)


class Quantize(Section):
    method: Annotated[Any, ChosenFrom("quantizers")]
    limits: QuantizeLimits
    latency_texts: int = Field(gt=0)


class Package(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    base_licence: str
    data_licence: str
    intended_use: str
    limits: str


class Params(Section):
    """The whole of params.yaml. A stage reads only the sections that dvc.yaml names for it."""

    seed: int = Field(ge=0, lt=2**32)
    task: Annotated[Any, ChosenFrom("tasks")]
    ingest: Ingest
    validate_: Validate = Field(alias="validate")
    augment: Augment
    pretrain: Pretrain
    train: Train
    evaluate: Evaluate
    distill: Distill
    quantize: Quantize
    package: Package
    search: Search | None


def _fields_of(section: Any) -> dict[str, Any]:
    """The fields of a section, or of `Section | None`; empty where it is none."""
    section = next((kind for kind in get_args(section) if hasattr(kind, "model_fields")), section)
    return getattr(section, "model_fields", {})


def _keys_at(path: tuple[str | int, ...], section: Any) -> list[str]:
    """The keys of the section at `path`, for a suggestion; empty where it is no section."""
    for part in path:
        fields = _fields_of(section).items()
        section = next((field.annotation for name, field in fields if part in (name, field.alias)), None)
    return [field.alias or name for name, field in _fields_of(section).items()]


def _message(error: ErrorDetails, section: type[Section], file: Path) -> str:
    *parents, last = error["loc"] or ("",)
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        allowed = _keys_at(tuple(parents), section)
        return f"{file}: {where}: unknown key.{nearest(str(last), allowed)} Allowed: {', '.join(allowed) or 'none'}"
    if error["type"] == "missing":
        return f"{file}: {where}: missing. It has no default; the bundled params.yaml says what it means."
    message = error["msg"].removeprefix("Value error, ")
    value = "" if isinstance(error["input"], dict) else f" {str(error['input'])[:80]!r}:"
    return f"{file}: {where}:{value} {message}"


def read_raw(file: Path) -> Any:
    """What a parameters file says, unchecked.

    Raises:
        ParamsError: it is missing, or is no YAML.
    """
    if not file.is_file():
        raise ParamsError(f"{file}: no such file. Run from the repository's root, which holds params.yaml.")
    try:
        return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{file}: is no YAML 1.2: {error}") from None


def check_raw(raw: Any, file: Path) -> Params:
    """The parameters, checked; `file` is where they come from. Raises ParamsError as `load_params`."""
    refuse_secrets(raw, file)
    section = concrete(Params, raw)
    try:
        return cast(Params, section.model_validate(raw))
    except ValidationError as error:
        raise ParamsError("\n".join(_message(e, section, file) for e in error.errors())) from None


def load_params(file: Path) -> Params:
    """Read and check a parameters file. Raises ParamsError: missing, no YAML, or with mistakes, one a line."""
    return check_raw(read_raw(file), file)
