"""The network: building, loading and exporting a SegFormer, and predicting with it by torch or ONNX Runtime."""
