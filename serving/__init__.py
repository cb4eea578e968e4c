"""What runs in production: numpy, onnxruntime and tokenizers, no torch, no transformers, nothing of the pipeline."""
