"""From texts to the tokens that a model reads."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors, trainers

from serving import answers
from serving.errors import BundleDamaged
from serving.reading import PLACED, Reader, Reading, Window
from serving.text import clean
from tests.conftest import sample_texts
from tests.serving.small import CORPUS, LONG, PLAIN, read, settings

TRICKY = [
    "Great value!!! 😀👩\u200d👩\u200d👧 10/10",
    "café don't",
    "[CLS] [MASK] ##ing [SEP]",
    "你好 full ＡＢＣ",
    "",
    "x" * 300,
]


def bytes_tokenizer(post_processor: Any) -> Tokenizer:
    """A byte-level BPE as of RoBERTa or GPT-2: tokens hold the space before a word."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>", "<mask>"]
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer.post_processor = post_processor
    return tokenizer


ROBERTA = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
LLAMA = processors.Sequence(
    [
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 0)]),
    ]
)
AFTER = processors.TemplateProcessing(single="$A </s>", pair="$B:1 </s> $A:0 </s>", special_tokens=[("</s>", 1)])
TOKENIZERS = {
    "bert": PLAIN,
    "roberta": bytes_tokenizer(ROBERTA),
    "llama": bytes_tokenizer(LLAMA),
    "second text first": bytes_tokenizer(AFTER),
    "plain bytes": bytes_tokenizer(processors.ByteLevel(trim_offsets=False)),
}


def shown(window: Window) -> str:
    return " ".join(str(PLAIN.id_to_token(token)) for token in window.ids)


def places_of(window: Window, text: int) -> list[tuple[int, int]]:
    return [tuple(span) for span in window.offsets[window.text_of == text].tolist()]


def same(one: Reading, other: Reading) -> bool:
    def plain(reading: Reading) -> list[Any]:
        rows = [
            (w.ids, w.type_ids, w.offsets.tolist(), w.text_of.tolist(), w.word_of.tolist()) for w in reading.windows
        ]
        return [reading.cut, rows]

    return plain(one) == plain(other)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("direction", ["right", "left"])
def test_head_reads_what_the_tokenizer_itself_gives(name: str, direction: str) -> None:
    tokenizer = TOKENIZERS[name]
    whole = Tokenizer.from_str(tokenizer.to_str())
    texts = [clean(text) for text in TRICKY] + [text for text, _ in sample_texts(6)] + [LONG]
    examples = [(text,) for text in texts] + [(one, other) for one in texts[::2] for other in texts[::-3]]
    for max_tokens in (7, 12, 41):
        whole.enable_truncation(max_tokens, strategy="longest_first", direction=direction)
        reader = Reader(whole, settings(max_tokens))
        for texts_of_one in examples:
            expected = whole.encode(*texts_of_one)
            reading = reader.read(texts_of_one)
            (window,) = reading.windows
            assert (window.ids, window.type_ids) == (expected.ids, expected.type_ids)
            assert reading.cut == bool(expected.overflowing)
            texts_found = [-1 if text is None else text for text in expected.sequence_ids]
            assert window.text_of.tolist() == texts_found
            ours = window.text_of >= 0
            if direction == "right":  # cut at the start, tokenizers takes a word in the middle for the first
                assert (window.offsets[ours] == np.array(expected.offsets).reshape(-1, 2)[ours]).all()
            theirs = np.array([word for word in expected.word_ids if word is not None])
            for text in (0, 1):  # ours may part a word further
                of_text = window.text_of[ours] == text
                assert (np.diff(window.word_of[ours][of_text])[np.diff(theirs[of_text]) != 0] == 1).all()


def test_head_and_tail_keep_half_of_each_share() -> None:
    assert shown(read(settings(7, "head_tail"), LONG).windows[0]) == "[CLS] one two three eleven twelve [SEP]"
    pair = read(settings(10, "head_tail"), LONG, LONG).windows[0]
    assert shown(pair) == "[CLS] one two twelve [SEP] one two eleven twelve [SEP]"
    short = read(settings(10, "head_tail"), "who is", LONG).windows[0]
    assert shown(short) == "[CLS] who is [SEP] one two three eleven twelve [SEP]"


def test_windows_hold_every_token_and_share_the_overlap() -> None:
    reading = read(settings(8, "windows", 2), LONG)
    assert [shown(window) for window in reading.windows] == [
        "[CLS] one two three four five [SEP]",
        "[CLS] four five six seven eight [SEP]",
        "[CLS] seven eight nine ten eleven twelve [SEP]",
    ]
    assert not reading.cut


@pytest.mark.parametrize("overlap", [0, 1, 3, 5])
def test_windows_are_full_even_and_whole_at_every_length(overlap: int) -> None:
    for count in range(60):
        spans = [places_of(window, 0) for window in read(settings(12, "windows", overlap), "a " * count).windows]
        assert sorted({span for window in spans for span in window}) == [(2 * i, 2 * i + 1) for i in range(count)]
        assert all(len(set(one) & set(other)) == overlap for one, other in pairwise(spans))
        sizes = [len(window) for window in spans]
        assert max(sizes) <= 10
        assert max(sizes) - min(sizes) <= 1


def test_the_longer_of_two_texts_is_windowed_and_the_other_repeated() -> None:
    second = read(settings(10, "windows", 1), "who is", LONG)
    assert [shown(window) for window in second.windows] == [
        "[CLS] who is [SEP] one two three four [SEP]",
        "[CLS] who is [SEP] four five six seven eight [SEP]",
        "[CLS] who is [SEP] eight nine ten eleven twelve [SEP]",
    ]
    first = read(settings(10, "windows", 1), LONG, "who is")
    assert shown(first.windows[0]) == "[CLS] one two three four [SEP] who is [SEP]"
    assert (first.cut, second.cut, len(first.windows)) == (False, False, 3)


def test_a_pair_is_read_in_both_orders_where_that_is_asked() -> None:
    both = settings(10, "head") | {"both_orders": True}
    assert [shown(window) for window in read(both, "who is", "one two").windows] == [
        "[CLS] who is [SEP] one two [SEP]",
        "[CLS] one two [SEP] who is [SEP]",
    ]
    assert len(read(both, "who is").windows) == 1
    (together,) = Reader(PLAIN, both).read_all([("who is", "one two")])
    assert same(together, read(both, "who is", "one two"))


def test_a_text_too_long_to_be_repeated_is_cut_and_that_is_said() -> None:
    reading = read(settings(9, "windows", 4), "one two three four", LONG)
    assert {shown(window).split(" [SEP] ")[0] for window in reading.windows} == {"[CLS] one two three"}
    assert reading.cut
    assert {span for window in reading.windows for span in places_of(window, 1)} == set(
        places_of(read(settings(99), LONG).windows[0], 0)
    )


def test_what_is_cut_is_said_exactly() -> None:
    for long_texts in ("head", "head_tail"):
        cuts = [read(settings(8, long_texts), "a " * count).cut for count in (0, 5, 6, 7)]
        assert cuts == [False, False, False, True]
        pairs = [read(settings(9, long_texts), "a a", "a " * count).cut for count in (0, 3, 4, 5)]
        assert pairs == [False, False, False, True]


@pytest.mark.parametrize("name", ["bert", "roberta"])
@pytest.mark.parametrize("long_texts", ["head", "head_tail", "windows"])
def test_offsets_and_words_lead_to_the_text(name: str, long_texts: str) -> None:
    text = "Great value, don't 你好! one two three four five"
    reading = read(settings(12, long_texts, 3), "who", text, tokenizer=TOKENIZERS[name])
    for window in reading.windows:
        tokens = [str(TOKENIZERS[name].id_to_token(token)) for token in window.ids]
        for token, (start, end), of in zip(tokens, window.offsets.tolist(), window.text_of, strict=True):
            if of == 1 and token.strip("Ġ#").isascii() and token.strip("Ġ#").isalpha():
                assert text[start:end].lower() == token.strip("Ġ#").lower()
        assert (window.word_of[window.text_of < 0] == -1).all()
        assert (window.offsets[window.text_of < 0] == 0).all()
        assert (np.diff(window.word_of[window.text_of == 1]) >= 0).all()
        assert [part.dtype for part in (window.offsets, window.text_of, window.word_of)] == [
            np.int32,
            np.int8,
            np.int32,
        ]


@pytest.mark.parametrize("long_texts", ["head", "head_tail", "windows"])
def test_a_template_is_never_cut(long_texts: str) -> None:
    template = {"before": "Review : ", "after": " It was [MASK]"}
    for text in ("good", LONG):
        for window in read(settings(12, long_texts, 1, template=template), text).windows:
            tokens = shown(window).split()
            assert (tokens[:3], tokens[-4:]) == (["[CLS]", "review", ":"], ["it", "was", "[MASK]", "[SEP]"])
            assert window.text_of.tolist() == [-1] * 3 + [0] * (len(tokens) - 7) + [-1] * 4
            for token, (start, end) in zip(tokens[3:-4], places_of(window, 0), strict=True):
                assert text[start:end] == token
            assert window.word_of[3] == text[: window.offsets[3][0]].count(" ")
    assert shown(read(settings(12, long_texts, 1, template=template), LONG).windows[0]).startswith("[CLS] review : one")


def test_a_template_parts_words_as_a_reader_sees_them() -> None:
    tokenizer = TOKENIZERS["roberta"]
    template = {"before": "Review: ", "after": "\nIt was<mask>"}
    (window,) = read(settings(40, template=template), "good one", tokenizer=tokenizer).windows
    assert window.ids == tokenizer.encode("Review: good one\nIt was<mask>").ids
    assert "".join("good one"[start:end] for start, end in places_of(window, 0)) == "goodone"


def test_many_are_read_as_one_by_one_also_in_threads() -> None:
    reader = Reader(PLAIN, settings(12, "windows", 2))
    texts = [text for text, _ in sample_texts(60)] + [LONG, ""]
    examples = [(text,) for text in texts] + list(zip(texts, reversed(texts), strict=True))
    together = reader.read_all(examples)
    with ThreadPoolExecutor(4) as pool:
        assert all(map(same, together, pool.map(reader.read, examples)))
    assert reader.read_all([]) == []


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("long_texts", ["head", "head_tail", "windows"])
@pytest.mark.parametrize(
    "more",
    [{}, {"template": {"before": "Review: ", "after": "\nIt was."}}, {"open_ended": True}, {"both_orders": True}],
)
def test_what_is_read_does_not_depend_on_when_its_places_are_found(
    name: str, long_texts: str, more: dict[str, Any]
) -> None:
    texts = [clean(text) for text in TRICKY] + [text for text, _ in sample_texts(12)] + [LONG]
    examples = [(text,) for text in texts] + [(one, other) for one in texts[::2] for other in texts[::-3]]
    for max_tokens in (21, 48, 400):
        given = settings(max_tokens, long_texts, 2, **more)
        later, at_once = (Reader(TOKENIZERS[name], given | {"answers": kind}) for kind in ("label", "spans"))
        placed = at_once.read_all(examples)
        assert all(map(same, later.read_all(examples), placed))
        assert all(map(same, map(later.read, examples), placed))


@pytest.mark.parametrize("kind", ["label", "spans"])
def test_a_template_that_leaves_no_room_is_an_error_for_an_empty_text_too(kind: str) -> None:
    given = settings(8, template={"before": "one two three ", "after": " four five"}, answers=kind)
    assert len(Reader(PLAIN, given).read_all([("six",)])[0].windows[0].ids) == 8
    for text in ("", "six"):
        with pytest.raises(BundleDamaged, match="special tokens and the template take 7"):
            Reader(PLAIN, given | {"max_tokens": 7}).read_all([(text,)])


def test_kinds_of_answers_that_ask_for_places_are_known() -> None:
    folder = Path(answers.__file__).parent
    assert set(PLACED) <= {path.stem for path in folder.glob("[a-z]*.py")}


def test_the_tokenizer_given_is_left_as_it_is() -> None:
    tokenizer = Tokenizer.from_str(PLAIN.to_str())
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(5)
    before = tokenizer.to_str()
    reader = Reader(tokenizer, settings(40))
    assert len(reader.read((LONG,)).windows[0].ids) == 14
    assert tokenizer.to_str() == before
    tokenizer.add_tokens([AddedToken("one two")])
    assert len(reader.read((LONG,)).windows[0].ids) == 14


def test_no_room_for_a_text_is_an_error() -> None:
    with pytest.raises(BundleDamaged, match=r"`max_tokens` 4 leaves no room for the text: special tokens .* take 3"):
        read(settings(4), "a", "b")
    with pytest.raises(BundleDamaged, match=r"`long_texts` 'tail' is not one of \['head'"):
        read(settings(long_texts="tail"), "a")


def test_a_tokenizer_as_transformers_writes_it_is_read_too(tiny_base: Path) -> None:
    reader = Reader(Tokenizer.from_file(str(tiny_base / "tokenizer.json")), settings(16))
    (window,) = reader.read(("good", "bad")).windows
    assert (window.type_ids, window.text_of.tolist()) == ([0, 0, 0, 1, 1], [-1, 0, -1, 1, -1])
