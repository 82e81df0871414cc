"""The whole model in files of other programs."""


class Exported:
    """The methods of the estimators that write ONNX and C."""
