"""The distill stage: a student of a tiny model taken to its bundle, and its parts on several architectures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForSequenceClassification,
)

from flows.perform import perform
from stages.distill.check import check_distill
from stages.distill.smaller import Importance, drop_layers, guides, kept_layers, narrow
from stages.distill.teacher import distance, divergence
from stages.distill.vocabulary import cut_embeddings, cut_tokenizer, kept_ids
from stages.shared.answering import read_settings, write_settings
from stages.shared.averaged import Averaged
from stages.shared.base_model import tokenizer_of
from stages.shared.errors import ParamsError, Refused
from stages.shared.held_out import answers_of
from stages.shared.models import load_model, write_model
from stages.tasks import task_of
from tests import recipes
from tests.conftest import ROOT, sample_texts

TEXTS = [text for text, _ in sample_texts(200)]
ALONE = {"hidden_weight": 0.0, "soft_weight": 0.0}  # of the labels, not of the teacher


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> recipes.Ran:
    """The recipe, with half of the feed-forward part as well, taken to its bundle."""
    folder = tmp_path_factory.mktemp("distill")
    return recipes.run("distill", folder, lambda stage: True, {"distill.student": recipes.student()})


def test_the_student_is_smaller_and_its_bundle_answers(ran: recipes.Ran) -> None:
    metrics = ran.outcomes["distill"].metrics
    teacher, student = (
        json.loads((ran.folder / stage / "model/config.json").read_text()) for stage in ("train", "distill")
    )
    assert (student["num_hidden_layers"], student["intermediate_size"]) == (1, 32)
    assert student["vocab_size"] == metrics["vocabulary"] < teacher["vocab_size"]
    assert metrics["weights_share"] < 1 and metrics["size_ratio"] < 1
    assert metrics["test.macro_f1_low"] <= metrics["test.macro_f1"] <= metrics["test.macro_f1_high"]
    assert all(said == evaluated for said, evaluated in recipes.answers_of(ran, 10))
    card = (ran.folder / "package/bundle/README.md").read_text()
    assert "The float model is a student, of 1 layers" in card and "distill.student.layers" in card


def test_the_float_model_is_then_the_student(ran: recipes.Ran) -> None:
    from stages.shared.examples import read_split

    test = list(read_split(ran.folder / "validate", "test"))
    student, small = (answers_of(ran.folder / stage, test) for stage in ("distill", "quantize"))
    same = [a["answer"] == b["answer"] for a, b in zip(student.predictions, small.predictions, strict=True)]
    assert ran.outcomes["quantize"].metrics["agreement"] == pytest.approx(np.mean(same))


def _again(
    ran: recipes.Ran,
    out: Path,
    values: dict[str, Any],
    text: Path = ROOT / "data/unlabelled",
    train: Path | None = None,
) -> Any:
    chosen = ran.params.distill.student.model_copy(update=values)
    params = ran.params.model_copy(update={"distill": ran.params.distill.model_copy(update={"student": chosen})})
    validated, augmented, evaluated = (ran.folder / name for name in ("validate", "augment", "evaluate"))
    return perform("distill", [text, validated, augmented, train or ran.folder / "train", evaluated, out], params)


def test_the_same_inputs_give_the_same_bytes(ran: recipes.Ran, tmp_path: Path) -> None:
    _again(ran, tmp_path / "out", {})
    assert (tmp_path / "out/MANIFEST.json").read_bytes() == (ran.folder / "distill/MANIFEST.json").read_bytes()


def test_past_a_limit_it_refuses_and_keeps_student_and_report(ran: recipes.Ran, tmp_path: Path) -> None:
    limits = ran.params.distill.student.limits.model_copy(update={"min_agreement": 1.0, "max_primary_drop": 0.0})
    with pytest.raises(Refused, match="the student is not the trained model any more"):
        _again(ran, tmp_path / "out", {"limits": limits, "learning_rate": 0.005, "epochs": 3} | ALONE)
    assert "REFUSED" in (tmp_path / "out.refused/report.md").read_text()
    assert (tmp_path / "out.refused/model/model.safetensors").is_file()


def test_text_without_labels_is_learnt_from_too(ran: recipes.Ran, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    lines = [f"Number {number} came late." for number in range(64)] * 2
    (tmp_path / "text/more.txt").write_text("\n\n".join(lines), encoding="utf-8")
    more = _again(ran, tmp_path / "more", {"batch_size": 32}, tmp_path / "text")
    plain = _again(ran, tmp_path / "plain", {"batch_size": 32})
    assert more.metrics["steps"] == plain.metrics["steps"] + 2  # each text once


def test_of_the_vocabulary_alone_nothing_is_learnt_and_nothing_changes(ran: recipes.Ran, tmp_path: Path) -> None:
    found = _again(ran, tmp_path / "out", {"layers": None, "feed_forward": 1.0})
    assert "steps" not in found.metrics
    assert found.metrics["agreement"] > 0.9  # of the test texts few have a piece that is gone


def test_it_says_beforehand_what_has_no_student(tmp_path: Path) -> None:
    student = recipes.small_params("distill", tmp_path, {"distill.student": recipes.student()}).distill
    for name, word in (("generation", "quantize"), ("translation", "quantize"), ("masked_lm", "quantize")):
        params = recipes.load_params(recipes.RECIPES / f"{name}.yaml").model_copy(update={"distill": student})
        with pytest.raises(ParamsError, match=word):
            check_distill(task_of(params.task), params)
    (tmp_path / "a.txt").write_text("A text.\n", encoding="utf-8")
    params = recipes.load_params(recipes.RECIPES / "ner.yaml")
    wanted = student.model_copy(update={"text": str(tmp_path)})
    with pytest.raises(ParamsError, match=r"distill\.text"):
        check_distill(task_of(params.task), params.model_copy(update={"distill": wanted}))


SMALL = {"hidden_size": 32, "num_hidden_layers": 6, "num_attention_heads": 2, "intermediate_size": 64, "num_labels": 3}
MODELS = {
    "bert": lambda: BertForSequenceClassification(BertConfig(vocab_size=300, **SMALL)),
    "modernbert": lambda: ModernBertForSequenceClassification(
        ModernBertConfig(vocab_size=300, pad_token_id=0, cls_token_id=1, sep_token_id=2, **SMALL)
    ),
    "qwen2": lambda: Qwen2ForSequenceClassification(
        Qwen2Config(vocab_size=300, num_key_value_heads=2, pad_token_id=0, **SMALL)
    ),
}


def _said(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        said: torch.Tensor = model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return said


@pytest.mark.parametrize("name", MODELS)
def test_what_is_cut_is_what_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    ids = torch.randint(5, 300, (4, 12))
    drop_layers(model, kept_layers(6, 3))
    if name != "modernbert":
        with Importance(model) as importance:
            model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
        assert all((sums > 0).any() for sums in importance.sums)
        narrow(model, importance.sums, 0.25)
    cut_embeddings(model, range(0, 300, 2))
    even = ids // 2
    said = _said(model, even)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert torch.equal(_said(again, even), said)
    assert (again.config.num_hidden_layers, again.config.vocab_size) == (3, 150)


def test_the_units_that_matter_stay() -> None:
    torch.manual_seed(0)
    model = MODELS["bert"]()
    layer = model.bert.encoder.layer[0]
    with torch.no_grad():
        layer.output.dense.weight[:, 1::2] = 0  # every second unit says nothing
    ids = torch.randint(5, 300, (4, 12))
    before = _said(model, ids)
    with Importance(model) as importance:
        model(input_ids=ids).logits.sum().backward()
    narrow(model, importance.sums, 1.0)
    assert torch.equal(_said(model, ids), before)  # all of them, in their order
    kept = importance.sums[0].topk(32).indices.sort().values
    assert kept.tolist() == list(range(0, 64, 2))


def test_layers_are_spread_and_follow_the_teacher_to_the_next_that_is_kept() -> None:
    assert kept_layers(6, 3) == [0, 2, 4]
    assert guides(6, [0, 2, 4]) == [1, 3, 5]
    assert kept_layers(2, 2) == [0, 1] and guides(2, [0, 1]) == [0, 1]


def _tokenizer(kind: str) -> Any:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    options: dict[str, Any] = {"vocab_size": 1500, "special_tokens": special, "show_progress": False}
    if kind == "WordPiece":
        tokenizer, trainer = Tokenizer(models.WordPiece(unk_token="[UNK]")), trainers.WordPieceTrainer(**options)
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    elif kind == "BPE":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
        trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(unk_token="[UNK]", **options)
    tokenizer.train_from_iterator(TEXTS, trainer)
    ids = [tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids[0]), ("[SEP]", ids[1])]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


@pytest.mark.parametrize("kind", ["WordPiece", "BPE", "Unigram"])
def test_a_text_of_kept_pieces_is_read_as_before(kind: str) -> None:
    whole = _tokenizer(kind)
    used = {number for ids in whole(TEXTS[:100])["input_ids"] for number in ids}
    kept = kept_ids(whole, used)
    small = cut_tokenizer(whole, kept)
    assert len(small) == len(kept) < len(whole)
    same = 0
    for text in TEXTS:
        before, after = whole(text)["input_ids"], small(text)["input_ids"]
        if set(before) <= set(kept):
            assert [kept[number] for number in after] == before
            same += 1
    assert same > 100  # others are made of the same pieces
    assert small.pad_token_id == kept.index(whole.pad_token_id)


def test_the_teacher_is_followed_at_its_temperature() -> None:
    said, taught = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    one, other = (torch.softmax(logits / 2, dim=-1) for logits in (said, taught))
    wanted = 4 * (other * (other / one).log()).sum()
    assert divergence(said, taught, 2.0).item() == pytest.approx(wanted.item())
    assert divergence(torch.tensor([[1.0, -torch.inf]]), torch.tensor([[0.5, -torch.inf]]), 1.0).item() == 0
    hidden = torch.ones(1, 2, 3)
    mask = torch.tensor([[1, 0]])
    assert distance(hidden * 2, hidden, mask).item() == 1.0  # padding does not count


def test_an_ensemble_becomes_one_model(ran: recipes.Ran, tmp_path: Path) -> None:
    task, folder = task_of(ran.params.task), ran.folder / "train/model"
    members = [load_model(task, folder, ran.params.task, 0) for _ in range(2)]
    with torch.no_grad():
        members[1].get_submodule("classifier").weight.mul_(2)
    write_model(Averaged(members, "softmax"), tokenizer_of(folder), tmp_path / "train/model")
    write_settings(tmp_path / "train/model", read_settings(folder))
    values = {"layers": None, "feed_forward": 1.0, "vocabulary": "all"}
    found = _again(ran, tmp_path / "out", values, train=tmp_path / "train")
    assert found.metrics["steps"] > 0
    assert found.metrics["weights_share"] == pytest.approx(0.5)
    assert isinstance(load_model(task, tmp_path / "out/model", ran.params.task, 0), BertForSequenceClassification)
