"""ONNX Runtime: sessions, model folders and the stream over a genome."""
