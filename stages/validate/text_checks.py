"""What is expected of texts."""

from stages.shared.params import Validate
from stages.validate.check import Check, at_most, percent


def is_cut(long_texts: str) -> bool:
    """Whether a text that is longer than the model loses something, given task.long_texts."""
    return long_texts != "windows"


def empty_text_check(params: Validate) -> Check:
    return at_most(
        params.limits.empty_text,
        "empty_text",
        "ExpectColumnValuesToNotBeNull",
        noun="rows",
        fault="have no text",
        advice="Fill in the texts or delete the rows; or raise validate.limits.empty_text.",
        column="characters",
    )


def length_check(params: Validate) -> Check:
    bounds = params.characters
    return at_most(
        params.limits.length,
        "length",
        "ExpectColumnValuesToBeBetween",
        noun="texts",
        fault=f"are not {bounds.min:,} to {bounds.max:,} characters long",
        advice="Mend the texts, or change validate.characters; or raise validate.limits.length.",
        column="characters",
        min_value=bounds.min,
        max_value=bounds.max,
    )


def cut_check(params: Validate, max_tokens: int) -> Check:
    return at_most(
        params.max_cut_share,
        "max_cut_share",
        "ExpectColumnValuesToBeBetween",
        noun="texts",
        fault=f"are longer than {max_tokens} tokens and would be cut",
        advice="Raise task.max_tokens, set task.long_texts to windows, split the texts, or raise "
        "validate.max_cut_share.",
        column="tokens",
        max_value=max_tokens,
    )


def unknown_tokens_check(params: Validate) -> Check:
    return Check(
        name="max_unknown_token_share",
        table="figures",
        expectation="ExpectColumnMaxToBeBetween",
        arguments={"column": "unknown_token_share", "max_value": params.max_unknown_token_share},
        limit=f"at most {percent(params.max_unknown_token_share)}",
        noun="of the tokens",
        fault="are unknown to the tokenizer",
        advice="Take a base model made for this language (pretrain.base), or look at ingest.source.encoding.",
    )


def language_checks(params: Validate) -> list[Check]:
    expected = params.language.expected
    if expected is None:
        return []
    check = at_most(
        round(1 - params.language.min_share, 12),
        "language",
        "ExpectColumnValuesToBeInSet",
        noun="sampled texts",
        fault=f"are not in the language '{expected}'",
        advice="Set validate.language.expected to the language of the data, or to null to leave it unchecked.",
        column="language",
        value_set=[expected],
    )
    return [check]
