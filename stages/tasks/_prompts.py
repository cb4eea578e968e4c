"""What stands around a prompt: a template of one's own, or the base's for a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.shared.errors import ParamsError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACE, CHAT = "{prompt}", "chat"
_MARK = "\ue000prompt\ue000"  # no text holds it: cleaning takes private characters out


def is_template(template: str) -> bool:
    """Whether it says where the prompt stands, or leaves that to the base."""
    return template == CHAT or template.count(PLACE) == 1


def framed(template: str, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """What stands before and after a prompt, as `serving.reading.Reader` wants to know it.

    Args:
        template: as in params.yaml.
        tokenizer: of the base, whose `chat_template` a chat takes.

    Raises:
        ParamsError: the base has no template for a chat, or one that changes the prompt.
    """
    if template != CHAT:
        before, _, after = template.partition(PLACE)
        return {"before": before, "after": after}
    if not tokenizer.chat_template:
        raise ParamsError(
            "task.template: chat: the base's tokenizer has no chat_template. Write a template of your own."
        )
    said = str(
        tokenizer.apply_chat_template([{"role": "user", "content": _MARK}], tokenize=False, add_generation_prompt=True)
    )
    before, mark, after = said.partition(_MARK)
    if not mark:
        raise ParamsError("task.template: chat: the base's chat_template changes what is said. Write one of your own.")
    begin = tokenizer.bos_token
    if begin and before.startswith(begin) and tokenizer("").input_ids[:1] == [tokenizer.bos_token_id]:
        before = before.removeprefix(begin)  # the tokenizer puts it there itself
    return {"before": before, "after": after}
