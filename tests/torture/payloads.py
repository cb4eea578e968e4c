"""Content that writes a file, the canary, when somebody runs it: pickles in every guise, scripts, archives."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper


def code(canary: Path) -> str:
    """Python code that writes the canary."""
    return f"open({str(canary)!r}, 'w').write('ran')\n"


class Payload:
    """Something that writes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (code(self._canary),)


def pickled(canary: Path, protocol: int = 2) -> bytes:
    """A bare pickle."""
    return pickle.dumps(Payload(canary), protocol=protocol)


def torch_file(canary: Path) -> bytes:
    """A zip file as torch.save writes, with the payload for a pickle."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(canary))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return stream.getvalue()


def array_file(canary: Path) -> bytes:
    """A .npy file with the payload for its one object."""
    stream = io.BytesIO()
    np.save(stream, np.array([Payload(canary)], dtype=object), allow_pickle=True)
    return stream.getvalue()


def arrays_file(canary: Path) -> bytes:
    """A .npz file of one."""
    stream = io.BytesIO()
    np.savez(stream, text=np.array([Payload(canary)], dtype=object))
    return stream.getvalue()


def joblib_file(canary: Path) -> bytes:
    """What joblib writes."""
    stream = io.BytesIO()
    joblib.dump(Payload(canary), stream)
    return stream.getvalue()


PICKLES = {"pickle": pickled, "torch": torch_file, "npy": array_file, "npz": arrays_file, "joblib": joblib_file}


def tar_file(canary: Path) -> bytes:
    """A tar with a path that leads up, a link, a device and a pickle."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("../" * 8 + str(canary).lstrip("/"), "model.pkl"):
            entry = tarfile.TarInfo(name)
            content = pickled(canary)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for kind, name in ((tarfile.SYMTYPE, "link"), (tarfile.LNKTYPE, "hard"), (tarfile.CHRTYPE, "device")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, str(canary)
            archive.addfile(entry)
    return stream.getvalue()


def zip_file(canary: Path) -> bytes:
    """A zip with paths that lead up and to the root."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../" * 8 + str(canary).lstrip("/"), "ran")
        archive.writestr(str(canary), "ran")
    return stream.getvalue()


def parquet_file(canary: Path) -> bytes:
    """A good table whose column claims to be of a type that older readers unpickle from its metadata."""
    told = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickled(canary)}
    fields = [pa.field("text", pa.string(), metadata=told), pa.field("label", pa.string())]
    table = pa.table({"text": ["Good."], "label": ["pos"]}, schema=pa.schema(fields, metadata={b"pandas": b"{}"}))
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def json_line(canary: Path) -> bytes:
    """An object as jsonpickle would run it."""
    text = {"py/object": "__main__.Payload", "py/reduce": [{"py/type": "builtins.exec"}, {"py/tuple": [code(canary)]}]}
    return json.dumps({"text": str(text), "label": "pos", **text}).encode()


SOURCES = {
    "rows.tar": tar_file,
    "rows.tar.gz": lambda canary: gzip.compress(tar_file(canary)),
    "rows.zip": zip_file,
    "rows.csv": pickled,
    "rows.npz": arrays_file,
    "rows.npy": array_file,
    "rows.parquet": parquet_file,
    "pickle.parquet": torch_file,
    "rows.jsonl": json_line,
    "pickle.jsonl": pickled,
    "rows.json": joblib_file,
    "rows.csv.gz": lambda canary: gzip.compress(pickled(canary)),
}

YAML = {
    "apply": "seed: !!python/object/apply:builtins.exec [{code!r}]\n",
    "new": "seed: !!python/object/new:os.system ['touch {canary}']\n",
    "system": "seed: !!python/object/apply:os.system ['touch {canary}']\n",
    "module": "seed: !!python/module:antigravity\n",
    "name": "seed: !!python/name:os.system\n",
    "popen": "seed: !!python/object/apply:subprocess.Popen [['touch', '{canary}']]\n",
    "own tag": "seed: !include {canary}\n",
    "as a key": "? !!python/object/apply:os.system ['touch {canary}']\n: 1\n",
    "merged": "seed: {{<<: !!python/object/apply:os.system ['touch {canary}']}}\n",
}


def onnx_model(location: str | None, domain: str = "") -> bytes:
    """A model that adds a weight, from a file of its own where a location is given, by an operator of a domain."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    if location is None:
        weight.raw_data = np.zeros(2, np.float32).tobytes()
    else:
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
    shape = ["batch", "tokens"]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input_ids"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["x"], ["m"], keepdims=1),
            helper.make_node("Add", ["m", "w"], ["y"], domain=domain),
        ],
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
