"""Heads of our own and of the user: found, allowed, tried, trained, saved, and read again only if they are the same."""

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from stages.shared.base_model import tokenizer_of
from stages.shared.bodies import load_body
from stages.shared.errors import DataError, MachineError, ParamsError
from stages.shared.headed import Place, read_headed, sentence_encoder, with_custom_head, with_label_words
from stages.shared.heads import AtToken, ComparedTexts, MeanPooled
from stages.shared.models import load_model, write_model
from stages.shared.params import Params
from stages.shared.user_head import head_file, made_head
from stages.tasks import task_of
from tests.conftest import ROOT
from tests.language_models import write_masked_lm

MODULES = ("mine", "broken", "both", "pip_made")
HEAD = """
import torch

class First(torch.nn.Module):
    def __init__(self, hidden_size, outputs):
        super().__init__()
        self.layer = torch.nn.Linear(hidden_size, outputs)

    def forward(self, hidden, attention_mask):
        return self.layer(hidden[:, 0])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that the pipeline runs in; the modules imported from it are forgotten afterwards."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]


def write_module(folder: Path, name: str, code: str = HEAD) -> Path:
    file = folder / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code, encoding="utf-8")
    return file


def logits(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


def test_the_shipped_head_learns_and_is_the_same_when_it_is_read_again(
    make_params: Callable[..., Params], tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    params = make_params({"task.head": "heads.two_layer:TwoLayerHead"}).task
    task, tokenizer = task_of(params), tokenizer_of(tiny_base)
    model = load_model(task, tiny_base, params, len(tokenizer)).train(False)  # without dropout each step must help
    ids = torch.randint(5, len(tokenizer), (6, 9), generator=torch.manual_seed(0))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "expected": torch.tensor([0, 1, 2, 0, 1, 2])}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        said = model(ids, batch["attention_mask"]).logits
        losses.append(task.loss_sum(said, batch, None))
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[2] < losses[1] < losses[0]
    write_model(model, tokenizer, tmp_path)
    torch.testing.assert_close(logits(load_model(task, tmp_path, params, len(tokenizer)), ids), logits(model, ids))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            HEAD.replace("hidden[:, 0]", "hidden"),
            r"gives the shape \(2, 3, 4\) for two texts of three tokens, not \(2, 4\)",
        ),
        (HEAD.replace("hidden_size, outputs)", "outputs)"), r"fails: TypeError.*made as First\(hidden_size, outputs\)"),
        (HEAD.replace("hidden[:, 0]", "hidden[9]"), "fails: IndexError"),
        (HEAD.replace("First", "Fist"), r"no torch module 'First'\. Did you mean 'Fist'\? It has: \['Fist'\]"),
        ("First = 3", "no torch module 'First'"),
        ("import nowhere_to_be_found", "importing mine fails: ModuleNotFoundError.*nowhere_to_be_found"),
        ("def", "importing mine fails: SyntaxError"),
    ],
)
def test_a_head_that_does_not_fit_is_one_clear_error(code: str, message: str, project: Path) -> None:
    write_module(project, "mine", code)
    with pytest.raises(ParamsError, match=rf"(?s)^task.head: 'mine:First'.*{message}"):
        made_head("mine:First", 8, 4, per_token=False)


def test_the_trial_of_a_head_leaves_no_trace(project: Path) -> None:
    code = HEAD.replace("return self", "hidden = self.norm(hidden.mT).mT\n        return self")
    write_module(
        project,
        "mine",
        code.replace("self.layer =", "self.norm = torch.nn.BatchNorm1d(hidden_size)\n        self.layer ="),
    )
    head = made_head("mine:First", 8, 4, per_token=False)
    assert head.training
    assert head.state_dict()["norm.num_batches_tracked"] == 0


def test_a_head_of_tokens_gives_a_row_for_each(project: Path) -> None:
    write_module(project, "mine", HEAD.replace("hidden[:, 0]", "hidden"))
    assert isinstance(made_head("mine:First", 8, 4, per_token=True), torch.nn.Module)


def test_a_module_is_named_when_it_or_its_package_is_not_there_or_fails(project: Path) -> None:
    write_module(project / "mine", "first")
    assert head_file("mine.first:First", False) == project / "mine/first.py"
    with pytest.raises(ParamsError, match=r"there is no module mine\.firs\. Did you mean 'mine\.first'\?"):
        head_file("mine.firs:First", False)
    with pytest.raises(ParamsError, match="'yours:First': there is no yours in this folder"):
        head_file("yours:First", False)
    write_module(project / "broken", "__init__", "1 / 0")
    with pytest.raises(ParamsError, match=r"importing broken\.first fails: ZeroDivisionError"):
        head_file("broken.first:First", False)


@pytest.mark.parametrize("module", ["pip_made", "pip_made.inner", "both", "sys", "os", "json.decoder", "__main__"])
def test_a_module_from_elsewhere_is_not_imported_unless_that_is_allowed(
    module: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = project / ".venv/lib/site-packages"  # inside the folder, and yet installed
    for name in ("pip_made/__init__", "pip_made/inner", "both"):
        write_module(site, name)
    write_module(project, "both")  # hidden by the installed one
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", find_spec("pytest.__main__"))  # as of `python -m pytest`
    monkeypatch.syspath_prepend(site)
    with pytest.raises(ParamsError, match=r"only if task\.head_from_packages is true"):
        head_file(f"{module}:First", False)
    assert not set(MODULES) & set(sys.modules)
    if module not in ("sys", "os", "__main__"):
        assert head_file(f"{module}:First", True).is_file()


def test_a_changed_or_another_head_is_noticed_when_the_model_is_read(project: Path, tiny_base: Path) -> None:
    file = write_module(project, "mine")
    task = SimpleNamespace(outputs=["a", "b"], head="sequence")
    params = SimpleNamespace(head="mine:First", head_from_packages=False)
    words = len(tokenizer_of(tiny_base))
    with_custom_head(tiny_base, words, task, params).save_pretrained(project / "model")
    ids = torch.tensor([[5, 6, 7]])
    again = [logits(read_headed(project / "model", words, task, params), ids) for _ in range(2)]
    assert torch.equal(*again)

    with pytest.raises(DataError, match=r"was trained with mine:First\. Run `dvc repro train`"):
        read_headed(project / "model", words, task, SimpleNamespace(head=None, head_from_packages=False))
    file.write_text(HEAD.replace("[:, 0]", "[:, -1]"), encoding="utf-8")
    with pytest.raises(DataError, match="'mine:First' has changed since the model was trained"):
        read_headed(project / "model", words, task, params)


def test_a_head_of_a_later_release_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    encoder = sentence_encoder(tiny_base, 0)
    encoder.description["head"] = "crystal_ball"
    encoder.save_pretrained(tmp_path)
    with pytest.raises(MachineError, match="head 'crystal_ball' is unknown to this release"):
        read_headed(tmp_path, 0, None, None)


def test_a_language_model_asked_for_few_words_is_saved_whole(tiny_base: Path, tmp_path: Path) -> None:
    write_masked_lm(tmp_path / "base", tiny_base)
    model = with_label_words("masked_lm", tmp_path / "base", 0, [7, 9], Place(4, last=True))
    assert model.body(torch.tensor([[5, 4]])).logits.shape == (1, 2, 2)
    model.save_pretrained(tmp_path / "model")
    assert model.body(torch.tensor([[5, 4]])).logits.shape == (1, 2, 2)
    given, saved = (load_file(tmp_path / folder / "model.safetensors") for folder in ("base", "model"))
    assert saved.keys() == given.keys()
    assert all(torch.equal(saved[name], given[name]) for name in given)


def test_a_model_that_reads_both_ways_is_no_causal_one(tiny_base: Path, tmp_path: Path) -> None:
    write_masked_lm(tmp_path, tiny_base)
    with pytest.raises(ParamsError, match="reads in both directions, so it is not a causal language model"):
        load_body("causal_lm", tmp_path, 0)


def test_the_token_that_is_asked_is_the_first_or_last_of_the_marked() -> None:
    said = torch.arange(12.0).reshape(2, 3, 2)
    marked = torch.tensor([[0, 1, 1], [0, 0, 0]])
    assert AtToken(last=True)(said, marked).tolist() == [[4, 5], [0, 0]]
    assert AtToken(last=False)(said, marked).tolist() == [[2, 3], [0, 0]]


def test_the_mean_is_of_the_tokens_alone_and_of_length_one() -> None:
    hidden = torch.tensor([[[3.0, 1.0], [3.0, 7.0], [90.0, -90.0]]])
    torch.testing.assert_close(MeanPooled()(hidden, torch.tensor([[1, 1, 0]])), torch.tensor([[0.6, 0.8]]))


def test_two_texts_are_compared_by_the_means_of_their_own_tokens() -> None:
    torch.manual_seed(0)
    head = ComparedTexts(4, 2, dropout=0.5).eval()
    torch.nn.init.ones_(head.nearness.weight)
    hidden, types = torch.randn(1, 5, 4), torch.tensor([[0, 0, 1, 1, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 0]])
    said = head(hidden, mask, types)
    one, other = torch.nn.functional.normalize(torch.stack([hidden[0, :2].mean(0), hidden[0, 2:4].mean(0)]), dim=1)
    seen = torch.cat([(one - other).abs(), one * other, (one @ other)[None]])
    torch.testing.assert_close(said[0], head.outputs(head.between(2 * seen).tanh()) + one @ other)
    hidden[0, 4] = 9
    assert torch.equal(head(hidden, mask, types), said)
    assert head(hidden, mask, torch.zeros_like(types)).isfinite().all()  # a pair whose second text is empty


def test_a_new_score_rises_with_the_nearness_of_the_texts() -> None:
    torch.manual_seed(0)
    head = ComparedTexts(8, 1, dropout=0.1).eval()
    one = torch.randn(50, 8)
    hidden = torch.stack([one, torch.lerp(torch.randn(50, 8), one, torch.linspace(0, 1, 50)[:, None])], dim=1)
    mask, types = torch.ones(50, 2, dtype=torch.long), torch.tensor([[0, 1]]).expand(50, 2)
    cosine = torch.nn.functional.cosine_similarity(hidden[:, 0], hidden[:, 1])
    said = head(hidden, mask, types)[:, 0]
    assert torch.corrcoef(torch.stack([said, cosine]))[0, 1] > 0.95
