"""Dynamic int8 for onnxruntime: weights are stored as int8, activations are scaled as they come.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stages.quantizers import Count, Quantized, Trained
from stages.shared.errors import ParamsError
from stages.shared.sections import Choice

if TYPE_CHECKING:
    import onnx
    from transformers import PreTrainedModel

FLOAT_MODEL, SMALL_MODEL = "float.onnx", "model.onnx"
Expected = dict[str, int | None]
PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}  # else the quantiser asks for the fusion that was just done


class Params(Choice):
    """Options of the quantiser: how finely weights are scaled, and how many of their 8 bits are used."""

    name: Literal["onnx_int8"]
    per_channel: bool
    reduce_range: bool


def _expected_or_none(expected: Expected, name: str) -> int | None:
    return expected.get(name, 0) if expected else None


def fusion_counts(fused: onnx.ModelProto, expected: Expected) -> list[Count]:
    """How many nodes of each fused kind there are."""
    from stages.quantizers._fusion import FUSED, node_counts

    found = node_counts(fused)
    return [Count(f"fused {name}", found[name], _expected_or_none(expected, name)) for name in FUSED]


def quantized_counts(
    small: onnx.ModelProto, fused: onnx.ModelProto, dense_layers: int, expected: Expected
) -> list[Count]:
    """How many nodes were quantised, and how many matrix products were left in float.

    Args:
        small, fused: the graph after and before.
        dense_layers: of the torch model. An attention takes in three: queries, keys and values.
        expected: the fused nodes that a model of this shape has, empty if unknown, None for what only its head decides.
    """
    from stages.quantizers._fusion import dense_count, node_counts

    found, attentions = node_counts(small), node_counts(fused)["Attention"]
    known = bool(expected) and None not in expected.values()
    products = dense_layers - 3 * (expected["Attention"] or 0) if known else None
    return [
        Count("int8 attention", found["QAttention"], attentions),
        Count("int8 matrix product", found["MatMulInteger"], products),
        Count("int8 embedding", found["QEmbedLayerNormalization"], node_counts(fused)["EmbedLayerNormalization"]),
        Count("matrix product left in float", dense_count(small), 0),
    ]


def _quantize(fused: onnx.ModelProto, out: Path, params: Params) -> onnx.ModelProto:
    """Write model.onnx, and give it."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from stages.quantizers._fusion import strip

    onnx.helper.set_model_props(fused, PREPARED)
    quantize_dynamic(
        fused,
        out,
        per_channel=params.per_channel,
        reduce_range=params.reduce_range,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # fused nodes have no inferred type
    )
    small = onnx.load(out)
    strip(small)
    onnx.save(small, out)
    return small


def export_fused(model: PreTrainedModel) -> onnx.ModelProto:
    """The model as an ONNX graph: fused where its architecture is known, as it comes where it is not."""
    from stages.quantizers._export import export, plain_attention
    from stages.quantizers._fusion import fuse, is_known, strip

    if is_known(model.config):
        with plain_attention(model):
            graph = fuse(export(model), model.config)
    else:
        graph = export(model)
    strip(graph)
    return graph


def untie(model: PreTrainedModel) -> bool:
    """Give the layer that names words weights of its own, if there is one; give whether there is.

    Shared with the embeddings they are no constant of the matrix product, which would stay in float.
    """
    import torch

    layer: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if layer is None:
        return False
    layer.weight = torch.nn.Parameter(layer.weight.detach().clone())
    return True


def check(task: Any) -> None:
    """Raise ParamsError where the task writes text."""
    if "writes" in task.settings():
        raise ParamsError(
            "quantize.method: onnx_int8: it is for models that answer in one pass, and those of the task "
            f"'{task.settings()['task']}' write text. Set quantize.method to {{name: ctranslate2_int8}}."
        )


def quantize(trained: Trained, out: Path, params: Params) -> Quantized:
    """Export, fuse and quantise a model; see the contract."""
    import onnx
    import torch

    from stages.quantizers._export import largest_difference, shapes
    from stages.quantizers._fusion import expected_fusions
    from stages.shared.headed import Headed

    model, max_tokens = trained.model, trained.settings["max_tokens"]
    head = model.description["head"] if isinstance(model, Headed) else "words" if untie(model) else None
    expected = expected_fusions(model.config, head)
    model.train(False)
    fused = export_fused(model)
    onnx.save(fused, out / FLOAT_MODEL)
    small = _quantize(fused, out / SMALL_MODEL, params)
    dense_layers = sum(isinstance(module, torch.nn.Linear) for module in model.modules())
    return Quantized(
        large=FLOAT_MODEL,
        small=SMALL_MODEL,
        max_logit_difference=largest_difference(model, out / FLOAT_MODEL, max_tokens),
        shapes=len(shapes(max_tokens)),
        counts=[*fusion_counts(fused, expected), *quantized_counts(small, fused, dense_layers, expected)],
    )
