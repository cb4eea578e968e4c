"""Sentences a second with words replaced by synonyms: the augment stage's against nlpaug's `SynonymAug`.

Both read the same WordNet, that of params.yaml, and the texts of the bundled sample. NLTK, which nlpaug stands on,
reads WordNet's own files; what it wants beside them is written to a temporary folder: the names of the lexicographer
files, an empty index.sense (for other languages alone), and a tagger. NLTK's trained tagger is a download; here its
tagger is trained on the sample, each word tagged by its first meaning in WordNet. NLTK opens its tagger anew for every
sentence; here it stays open, which is faster than what nlpaug comes as.

    pip install -c constraints.txt -e '.[bench]'
    python -m benchmarks.synonyms [--repeat 10] [--rounds 5]
"""

import argparse
import csv
import shutil
import tempfile
from pathlib import Path
from typing import Any

import flows  # noqa: F401  telemetry off
from benchmarks.comparing import Comparison, interleaved, publish, seconds_of
from stages.augment.synonyms import with_synonyms
from stages.shared.params import load_params
from stages.tasks import task_of

ROOT = Path(__file__).parents[1]
# lexnames(5WN): the number of a file is its place here
LEXICOGRAPHER_FILES = """
    adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition
    noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person
    noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state
    noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition
    verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social
    verb.stative verb.weather adj.ppl
"""
NUMBER_OF_PART = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
TAG_OF_PART = {"n": "NN", "v": "VB", "a": "JJ", "s": "JJ", "r": "RB"}


def make_data(wordnet: Path, folder: Path) -> None:
    """A folder that NLTK finds WordNet in."""
    made = folder / "corpora" / "wordnet"
    made.mkdir(parents=True)
    for pattern in ("index.*", "data.*", "*.exc", "cntlist.rev"):
        for file in wordnet.glob(pattern):
            shutil.copy(file, made)
    names = enumerate(LEXICOGRAPHER_FILES.split())
    lines = [f"{number:02}\t{name}\t{NUMBER_OF_PART[name.split('.')[0]]}\n" for number, name in names]
    (made / "lexnames").write_text("".join(lines), encoding="ascii")
    (made / "index.sense").touch()


def open_peer(folder: Path, texts: list[str]) -> Any:
    """nlpaug's augmenter, on that folder."""
    import nltk
    from nltk.corpus import wordnet
    from nltk.tag.perceptron import PerceptronTagger

    nltk.data.path.insert(0, str(folder))
    tagged = []
    for text in texts:
        words = text.split()
        meanings = [wordnet.synsets(word.lower()) for word in words]
        tagged.append(
            [
                (word, TAG_OF_PART[found[0].pos()] if found else "DT")
                for word, found in zip(words, meanings, strict=True)
            ]
        )
    tagger = PerceptronTagger(load=False)
    tagger.train(tagged, nr_iter=1)
    nltk.pos_tag = lambda tokens, *_, **__: tagger.tag(tokens)
    from nlpaug.augmenter.word import SynonymAug

    return SynonymAug(aug_src="wordnet")


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=10, help="times that ours takes the sample, which opens WordNet")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    params = load_params(ROOT / "params.yaml")
    task = task_of(params.task)
    with (ROOT / "data/sample/reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["text"].strip()]
    texts = [row["text"] for row in rows]
    examples = [
        {"id": f"{number}-{turn}", "text": text, "label": "", "source": "", "parent": "", "made_by": ""}
        for turn in range(asked.repeat)
        for number, text in enumerate(texts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(params.augment.synonyms.thesaurus.folder), Path(folder))  # type: ignore[attr-defined]
        peer = open_peer(Path(folder), texts)
        peer.augment(texts[0])
        found = interleaved(
            {
                "ours": lambda: len(examples) / seconds_of(lambda: list(with_synonyms(examples, task, params))),
                "nlpaug": lambda: len(texts) / seconds_of(lambda: [peer.augment(text) for text in texts]),
            },
            asked.rounds,
        )
    mean = sum(len(text.split()) for text in texts) / len(texts)
    line = Comparison(
        bar="A2",
        what=f"synonyms from WordNet, {len(examples):,} texts of {mean:.0f} words, WordNet opened in that time",
        peer="nlpaug SynonymAug",
        unit="texts/s",
        ours=found["ours"],
        against=found["nlpaug"],
        ratio=found["ours"] / found["nlpaug"],
        wanted=20,
        better="more",
    )
    publish("synonyms", [line])


if __name__ == "__main__":
    main()
