"""Networks in files: fastbp's own, ONNX, PyTorch, Keras, C; and the paths of files that users give."""
