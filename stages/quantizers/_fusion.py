"""Join the small operators of an exported encoder into the few large ones that onnxruntime runs fast."""

from collections import Counter
from collections.abc import Container, Iterator

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.onnx_model import OnnxModel
from onnxruntime.transformers.optimizer import optimize_by_fusion
from transformers import PretrainedConfig

KNOWN = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")
POSITIONS_FROM_PADDING = ("camembert", "roberta", "xlm-roberta")  # their embeddings cannot be fused into one node
FUSED = ("Attention", "BiasGelu", "SkipLayerNormalization", "EmbedLayerNormalization")


def is_known(config: PretrainedConfig) -> bool:
    """Whether an architecture is one that can be fused: an encoder, which reads in both directions, in KNOWN."""
    return config.model_type in KNOWN and not getattr(config, "is_decoder", False)


def expected_fusions(config: PretrainedConfig, head: str | None = None) -> dict[str, int | None]:
    """How many of each fused node a model of this shape must have; empty for an architecture that is not known.

    A layer has one attention, one feed-forward activation (a BiasGelu when it is GELU) and two normalised sums; the
    embeddings are one more node where positions count from 0. A language model has one more activation before its
    words; what a head of the user's has, nobody knows.

    Args:
        config: of the model.
        head: as `stages.shared.headed` names it, "words" for a language model's; None for a usual one.
    """
    if not is_known(config):
        return {}
    layers = config.num_hidden_layers
    fused: dict[str, int | None] = {"Attention": layers, "SkipLayerNormalization": 2 * layers}
    if getattr(config, "hidden_act", getattr(config, "activation", None)) == "gelu":
        fused["BiasGelu"] = layers + (head == "words")
    if config.model_type not in POSITIONS_FROM_PADDING:
        fused["EmbedLayerNormalization"] = 1
    if head == "custom":
        fused |= {"BiasGelu": None, "SkipLayerNormalization": None}
    return fused


def _split_unsqueezes(graph: onnx.GraphProto) -> None:
    """Give each new axis an Unsqueeze of its own: the fusion knows the attention mask only so."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def split(node: NodeProto) -> Iterator[NodeProto]:
        axes = constants[node.input[1]].tolist() if node.op_type == "Unsqueeze" and node.input[1] in constants else []
        if axes != [1, 2]:
            yield node
            return
        between = f"{node.name}_between"
        for axis, given, made in ((1, node.input[0], between), (2, between, node.output[0])):
            name = f"{node.name}_axis_{axis}"
            graph.initializer.append(numpy_helper.from_array(np.array([axis], dtype=np.int64), name))
            yield helper.make_node("Unsqueeze", [given, name], [made], name=name)

    nodes = [part for node in graph.node for part in split(node)]
    del graph.node[:]
    graph.node.extend(nodes)


def _add_positions_first(graph: onnx.GraphProto) -> None:
    """Turn (word + type) + position into (word + position) + type: the embedding's fusion knows only that order."""
    made_by = {name: node for node in graph.node for name in node.output}

    def op(name: str) -> str | None:
        return made_by[name].op_type if name in made_by else None

    for node in graph.node:
        if node.op_type == "Add" and [op(name) for name in node.input] == ["Add", "Gather"]:
            inner = made_by[node.input[0]]
            if [op(name) for name in inner.input] == ["Gather", "Gather"]:
                inner.input[1], node.input[1] = node.input[1], inner.input[1]


def fold_transposes(graph: onnx.GraphProto) -> None:
    """Turn weights beforehand: a language model's last product takes its turned embedding, and would stay in float."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    turned = [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in constants]
    for node in turned:
        order = next((list(given.ints) for given in node.attribute if given.name == "perm"), None)
        weight = np.ascontiguousarray(np.transpose(numpy_helper.to_array(constants[node.input[0]]), order))
        graph.initializer.append(numpy_helper.from_array(weight, node.output[0]))
        graph.node.remove(node)


def strip(model: onnx.ModelProto) -> None:
    """Take out what the graph does not need: the exporter's remarks, with paths of this machine, and stale shapes."""
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.functions):
        part.doc_string = ""
        del part.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]
    del model.graph.value_info[:]  # onnxruntime's fusions leave shapes of nodes that they took out


def _drop_twins(graph: onnx.GraphProto) -> None:
    """Keep the first of nodes that make the same thing: each fused embedding brings its own cast of the token ids."""
    first = {node.output[0]: node for node in reversed(graph.node)}
    kept = [node for node in graph.node if first[node.output[0]] is node]
    if len(kept) < len(graph.node):
        del graph.node[:]
        graph.node.extend(kept)


def fuse(model: onnx.ModelProto, config: PretrainedConfig) -> onnx.ModelProto:
    """The model with its attention, activations, normalised sums and embeddings fused."""
    _split_unsqueezes(model.graph)
    _add_positions_first(model.graph)
    OnnxModel(model).topological_sort()
    options = FusionOptions("bert")
    options.use_raw_attention_mask(True)  # the mask itself, not its length: right wherever the padding is
    fused: onnx.ModelProto = optimize_by_fusion(
        model,
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=options,
    ).model
    _drop_twins(fused.graph)
    if not any(opset.domain == "com.microsoft" for opset in fused.opset_import):
        fused.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return fused


def node_counts(model: onnx.ModelProto) -> Counter[str]:
    """How many nodes of each operator the graph has."""
    return Counter(node.op_type for node in model.graph.node)


def dense_count(model: onnx.ModelProto) -> int:
    """How many matrix products with a constant weight are left in float."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return sum(
        node.op_type in ("MatMul", "Gemm", "Attention") and node.input[1] in constants for node in model.graph.node
    )


def embedding_count(model: onnx.ModelProto, kinds: Container[int]) -> int:
    """How many tables of numbers of these kinds (onnx.TensorProto) rows are taken out of, other than in fused nodes."""
    tables = {tensor.name for tensor in model.graph.initializer if tensor.data_type in kinds and len(tensor.dims) == 2}
    return sum(node.op_type == "Gather" and node.input[0] in tables for node in model.graph.node)
