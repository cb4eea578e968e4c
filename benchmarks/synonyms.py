"""Sentences a second with words replaced by synonyms: the augment stage's against nlpaug's `SynonymAug`.

Both read the same WordNet, that of params.yaml, and the texts of the bundled sample. NLTK, which nlpaug stands on,
reads WordNet's own files; what it wants beside them is written to a temporary folder: the names of the lexicographer
files, an empty index.sense (for other languages alone), and a tagger. NLTK's trained tagger is a download; here its
tagger is trained on the sample, each word tagged by its first meaning in WordNet. NLTK opens its tagger anew for every
text, so nlpaug is also measured with one that stays open, which is more than it comes with.

    pip install -c constraints.txt -e '.[bench]'
    python -m benchmarks.synonyms [--repeat 40] [--rounds 5]
"""

import argparse
import csv
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
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


def make_tagger(folder: Path, texts: list[str]) -> Any:
    """NLTK's tagger, trained on the texts, and saved where NLTK looks for it."""
    from nltk.corpus import wordnet
    from nltk.tag.perceptron import PerceptronTagger

    tagged = []
    for text in texts:
        words = text.split()
        meanings = (wordnet.synsets(word.lower()) for word in words)
        tags = [TAG_OF_PART[found[0].pos()] if found else "DT" for found in meanings]
        tagged.append(list(zip(words, tags, strict=True)))
    tagger = PerceptronTagger(load=False)
    tagger.train(tagged, nr_iter=1)
    tagger.save_to_json(lang="eng", loc=str(folder / "taggers" / "averaged_perceptron_tagger_eng"))
    return tagger


def open_peer(folder: Path, texts: list[str]) -> dict[str, Callable[[str], Any]]:
    """nlpaug on that folder, as it comes, and with a tagger that stays open."""
    import nltk.tag

    nltk.data.path.insert(0, str(folder))
    tagger = make_tagger(folder, texts)
    from nlpaug.augmenter.word import SynonymAug

    peer, as_it_comes = SynonymAug(aug_src="wordnet"), nltk.tag._get_tagger

    def with_tagger(opened: Callable[..., Any], text: str) -> Any:
        nltk.tag._get_tagger = opened
        return peer.augment(text)

    return {
        "nlpaug SynonymAug": partial(with_tagger, as_it_comes),
        "the same, its tagger kept open": partial(with_tagger, lambda *_: tagger),
    }


def speed(way: Callable[[str], Any], texts: list[str]) -> float:
    """Texts a second."""
    return len(texts) / seconds_of(lambda: [way(text) for text in texts])


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=40, help="times that ours takes the sample, which opens WordNet")
    parser.add_argument("--texts", type=int, default=300, help="texts of the sample that nlpaug takes")
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
        peers = open_peer(Path(folder), texts)
        found = interleaved(
            {
                "ours": lambda: len(examples) / seconds_of(lambda: list(with_synonyms(examples, task, params))),
                **{name: partial(speed, way, texts[: asked.texts]) for name, way in peers.items()},
            },
            asked.rounds,
        )
    mean = sum(len(text.split()) for text in texts) / len(texts)
    lines = [
        Comparison(
            bar="A2",
            what=f"synonyms from WordNet, {len(examples):,} texts of {mean:.0f} words, WordNet opened in that time",
            peer=name,
            unit="texts/s",
            ours=found["ours"],
            against=found[name],
            ratio=found["ours"] / found[name],
            wanted=20,
            better="more",
            note=note,
        )
        for name, note in zip(
            peers,
            (
                "NLTK opens its tagger for each text, here one trained on the sample, which is smaller than its own",
                "beyond what nlpaug does; a small tagger of 5 tags, and ours reads the words around each word",
            ),
            strict=True,
        )
    ]
    publish("synonyms", lines)


if __name__ == "__main__":
    main()
