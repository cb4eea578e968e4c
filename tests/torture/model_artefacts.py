"""Model folders that would run code, read elsewhere or are no model: each changes a good folder."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.torture import payloads

Change = Callable[[Path, Path], Any]  # of a folder, given the canary
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer_config.json"
LEADS = {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil", "AutoTokenizer": ["evil.Evil", "evil.Evil"]}}
BESIDE = (
    "pytorch_model.bin",
    "model.pt",
    "model.ckpt",
    "model.pth",
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "tokenizer.pkl",
    "vocab.pkl",
    "adapter_model.bin",
    "tf_model.h5",
    "model.joblib",
    "embeddings.npy",
)


def told(folder: Path, name: str, **settings: Any) -> None:
    """Add settings to a JSON file of a model."""
    file = folder / name
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps(before | settings), encoding="utf-8")


def _beside(folder: Path, canary: Path) -> None:
    for place, name in enumerate(BESIDE):
        (folder / name).write_bytes(list(payloads.PICKLES.values())[place % len(payloads.PICKLES)](canary))


def _script(folder: Path, canary: Path, *names: str) -> None:
    for name in names or ("evil.py",):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(payloads.code(canary), encoding="utf-8")


def _weights(kind: str) -> Change:
    return lambda folder, canary: (folder / WEIGHTS).write_bytes(payloads.PICKLES[kind](canary))


def _in_place_of_weights(folder: Path, canary: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(payloads.torch_file(canary))


def _index(folder: Path, canary: Path) -> None:
    _in_place_of_weights(folder, canary)
    told(folder, "model.safetensors.index.json", metadata={}, weight_map={"w": "pytorch_model.bin"})


def _remote_code(folder: Path, canary: Path) -> None:
    _script(folder, canary)
    told(folder, CONFIG, trust_remote_code=True, **LEADS)
    told(folder, TOKENIZER, trust_remote_code=True, **LEADS)


def _unknown(folder: Path, canary: Path) -> None:
    _remote_code(folder, canary)
    told(folder, CONFIG, model_type="evil")


def _hub_code(folder: Path, canary: Path) -> None:
    told(folder, CONFIG, auto_map={"AutoModel": "owner/evil--evil.Evil"})
    told(folder, TOKENIZER, auto_map={"AutoTokenizer": ["owner/evil--evil.Evil", None]})


def _kernels(folder: Path, canary: Path) -> None:
    names = ("_attn_implementation_internal", "attn_implementation", "_attn_implementation", "_experts_implementation")
    told(
        folder,
        CONFIG,
        **dict.fromkeys((*names, "_experts_implementation_internal", "experts_implementation"), "o/evil"),
    )
    told(folder, CONFIG, use_kernels=True, kernel_config={"BertLayer": "owner/evil:Evil"})


def _other_weights(folder: Path, canary: Path) -> None:
    (folder / "evil.bin").write_bytes(payloads.torch_file(canary))
    told(folder, CONFIG, transformers_weights="evil.bin", _name_or_path="owner/evil", name_or_path="owner/evil")
    told(folder, TOKENIZER, name_or_path="owner/evil", gguf_file="evil.bin")


def _adapter(folder: Path, canary: Path) -> None:
    told(folder, "adapter_config.json", base_model_name_or_path="owner/evil", peft_type="LORA", auto_mapping=LEADS)
    (folder / "adapter_model.bin").write_bytes(payloads.torch_file(canary))


def _vocabulary_elsewhere(folder: Path, canary: Path) -> None:
    (folder.parent / "secret.txt").write_text("secret\n", encoding="utf-8")
    secret = str(folder.parent / "secret.txt")
    names = ("vocab_file", "tokenizer_file", "merges_file", "special_tokens_map_file", "chat_template_file")
    told(folder, TOKENIZER, **dict.fromkeys(names, secret), sp_model_kwargs={"model_file": secret})


def _generation(folder: Path, canary: Path) -> None:
    _script(folder, canary, "custom_generate/generate.py")
    told(folder, "generation_config.json", custom_generate="owner/evil", watermarking_config={"a": 1}, cache_config={})
    (folder / "chat_template.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}", encoding="utf-8")


def _link(name: str) -> Change:
    def change(folder: Path, canary: Path) -> None:
        (folder / name).rename(folder.parent / f"outside-{name}")
        (folder / name).symlink_to(folder.parent / f"outside-{name}")

    return change


def _link_to_a_folder(folder: Path, canary: Path) -> None:
    (folder / "more").symlink_to("/etc")


def _header(folder: Path, canary: Path) -> None:
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 1 << 62) + b"{}")


def _file(name: str, content: str) -> Change:
    return lambda folder, canary: (folder / name).write_text(content, encoding="utf-8")


def _quantized(folder: Path, canary: Path) -> None:
    told(folder, CONFIG, quantization_config={"quant_method": "awq", "modules_to_not_convert": None, "bits": 4})


IGNORED = "ignored"
ERROR = "E"
BASE: dict[str, tuple[Change, str]] = {
    "pickles beside the weights": (_beside, IGNORED),
    "pickle, no safetensors": (_in_place_of_weights, ERROR),
    **{f"{kind} named safetensors": (_weights(kind), ERROR) for kind in payloads.PICKLES},
    "safetensors index that names a pickle": (_index, ERROR),
    "safetensors header of 4 EiB": (_header, ERROR),
    "auto_map and its script": (_remote_code, IGNORED),
    "auto_map, unknown architecture": (_unknown, ERROR),
    "auto_map to a hub": (_hub_code, IGNORED),
    "kernels of a hub": (_kernels, IGNORED),
    "quantization_config": (_quantized, ERROR),
    "names of other weights and models": (_other_weights, IGNORED),
    "adapter of another base": (_adapter, IGNORED),
    "vocabulary elsewhere": (_vocabulary_elsewhere, IGNORED),
    "custom generation, template": (_generation, IGNORED),
    "scripts named as libraries": (
        lambda folder, canary: _script(folder, canary, "torch.py", "json.py", "sitecustomize.py", "__init__.py"),
        IGNORED,
    ),
    **{f"link: {name}": (_link(name), ERROR) for name in (WEIGHTS, CONFIG, "tokenizer.json", TOKENIZER)},
    "link to a folder": (_link_to_a_folder, ERROR),
    "config.json is a pickle": (
        lambda folder, canary: (folder / CONFIG).write_bytes(payloads.pickled(canary, 0)),
        ERROR,
    ),
    "config.json is a list": (_file(CONFIG, "[]"), ERROR),
    "config.json too deep": (_file(CONFIG, "[" * 100_000), ERROR),
    "config.json of wrong kinds": (lambda folder, canary: told(folder, CONFIG, hidden_size="evil"), ERROR),
    "tokenizer.json is a pickle": (
        lambda folder, canary: (folder / "tokenizer.json").write_bytes(payloads.pickled(canary, 0)),
        ERROR,
    ),
}


def _head(folder: Path, canary: Path) -> None:
    told(folder, "head.json", head="vectors", body="encoder", bias=False)
    (folder / "head.safetensors").write_bytes(payloads.torch_file(canary))


def _head_class(folder: Path, canary: Path) -> None:
    _script(folder, canary)
    told(folder, "head.json", head="custom", body="encoder", **{"class": "evil:Evil", "sha256": "0" * 64})


def _added(folder: Path, canary: Path) -> None:
    told(folder, "added.json", kind="bottleneck", size=4)
    (folder / "added.safetensors").write_bytes(payloads.pickled(canary))


TRAINED: dict[str, tuple[Change, str]] = {
    "pickle named head.safetensors": (_head, ERROR),
    "head of another class": (_head_class, ERROR),
    "unknown head": (lambda folder, canary: told(folder, "head.json", head="os.system", body="encoder"), ERROR),
    "pickle named added.safetensors": (_added, ERROR),
    "unknown addition": (lambda folder, canary: told(folder, "added.json", kind="os.system"), ERROR),
    "auto_map and its script": (_remote_code, IGNORED),
    "kernels of a hub": (_kernels, IGNORED),
}
PRETRAIN = {
    name: BASE[name] for name in ("auto_map and its script", "auto_map, unknown architecture", "kernels of a hub")
}
MARIAN: dict[str, tuple[Change, str]] = {
    name: BASE[name]
    for name in (
        "pickles beside the weights",
        "pickle, no safetensors",
        "torch named safetensors",
        "auto_map and its script",
        "auto_map, unknown architecture",
        "kernels of a hub",
        "adapter of another base",
        "vocabulary elsewhere",
        "custom generation, template",
        f"link: {CONFIG}",
        "config.json is a list",
    )
}
MARIAN |= {
    "link: source.spm": (_link("source.spm"), ERROR),
    "pickle named source.spm": (
        lambda folder, canary: (folder / "source.spm").write_bytes(payloads.pickled(canary)),
        ERROR,
    ),
    "pickle named vocab.json": (
        lambda folder, canary: (folder / "vocab.json").write_bytes(payloads.pickled(canary, 0)),
        ERROR,
    ),
}
