"""A training on a few of the sample's rows with the tiny base, in its parts."""

from pathlib import Path

from transformers import PreTrainedModel

from stages.shared.base_model import tokenizer_of
from stages.shared.examples import features, write_split
from stages.shared.fitting import Data, Plan
from stages.shared.models import load_model
from stages.shared.params import Params
from stages.tasks import task_of
from stages.train.data import read_data
from tests.conftest import SENTIMENT_COLUMNS, sample_examples

QUICK = {"train.epochs": 2, "train.batch_size": 8, "train.learning_rate": 0.005, "train.threads": 1}


def write_augmented(folder: Path) -> Path:
    """Write 45 rows of train and 20 of validation, as augment does."""
    for split, rows in (("train", sample_examples(0, 45)), ("validation", sample_examples(45, 65))):
        write_split(folder, split, rows, features(SENTIMENT_COLUMNS))
    return folder


def plan_of(params: Params) -> Plan:
    """How `train` trains by the parameters."""
    return Plan(params.train, params.seed, "train")


def model_of(folder: Path, params: Params) -> PreTrainedModel:
    """The model in a folder with the head of the task."""
    return load_model(task_of(params.task), folder, params.task, len(tokenizer_of(folder)))


def data_of(folder: Path, params: Params, tiny_base: Path) -> Data:
    """Both splits of a folder, as the model reads them."""
    task = task_of(params.task)
    return read_data(folder, task, tokenizer_of(tiny_base), task.settings(), balanced=False)
