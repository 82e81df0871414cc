"""The whole model in files of other programs, preprocessing included."""

from __future__ import annotations

import os
from typing import Any

from sklearn.utils.validation import check_is_fitted

from fastbp import disk


class Exported:
    """The methods of the estimators that write ONNX and C."""

    def to_c(self: Any, path: str | os.PathLike[str], *, name: str = "predict") -> None:
        """Write the model to the C99 file `path`, which needs only ``math.h`` and ``string.h``.

        Its function ``void predict(const double x[n_columns], double y[n_out])`` takes the columns that enter the
        model, in the order that a comment in the file gives, and writes the prediction, or the probabilities of
        `classes_`. A number is itself, NaN where it is missing; true and false are 1 and 0; of a category it is what
        ``predict_level(column, word)`` returns, NaN where it is missing. The file allocates no memory and has no state.

        Raises OSError if the file cannot be written, ValueError for columns of dates, which C has no type for, and if
        `name` is not a C identifier.

        Examples
        --------
        >>> import os, pathlib, tempfile
        >>> from fastbp.tabular import TabularRegressor
        >>> model = TabularRegressor((4,), n_members=1, epochs=1).fit({"size": [1, 2, 3, 4]}, [1, 4, 9, 16])
        >>> path = pathlib.Path(tempfile.mkdtemp(), "model.c")
        >>> model.to_c(path)
        >>> print(next(line for line in path.read_text().splitlines() if line.startswith("void predict(")))
        void predict(const double x[1], double y[1]);
        """
        from fastbp.tabular import c_file

        check_is_fitted(self, "population_")
        if not isinstance(name, str):
            raise TypeError(f"name is {name!r}; it must be a str, such as 'predict'")
        disk.write(path, c_file.source(self, name).encode())

    def to_onnx(self: Any, path: str | os.PathLike[str]) -> None:
        """Write the model to the ONNX file `path`, which onnxruntime and others run; needs onnx.

        It has an input of shape (n, 1) for each column that enters the model, by its name: doubles for numbers, NaN
        where they are missing, and for true and false, 1 and 0; strings for categories, "" where they are missing. The
        output is ``Y``, doubles, (n, 1) or (n, n_classes): the prediction, or the probabilities of `classes_`.

        Raises ImportError without onnx, OSError if the file cannot be written, ValueError for columns of dates.
        """
        from fastbp.tabular import onnx_file

        check_is_fitted(self, "population_")
        disk.write(path, onnx_file.model_proto(self).SerializeToString())
