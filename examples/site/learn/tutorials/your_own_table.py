"""
Your own table
==============

A table as people have it: text, dates, yes and no, money, missing values, an identifier. Two ways to a model: a line
on the command line, or an estimator in Python. Both print what they take each column for.

This page needs the extra ``tabular``: ``pip install "fastbp[tabular]"``.
"""

import contextlib
import csv
import io
from pathlib import Path

import numpy as np
import polars
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

from fastbp.cli.program import main as fastbp_command
from fastbp.tabular import TabularRegressor

# %%
# A table of flats
# ----------------
#
# So that you can run this page anywhere, it makes its table: 1,200 flats with their monthly rent. The rent depends on
# the area, the district, the year, the lift and the date, and on chance. Then the table gets what real tables have:
# some areas and years are missing, some districts are empty, and the rent is written as money.

rng = np.random.default_rng(0)
n = 1200
districts = np.array(["Centre", "Harbour", "Hill", "Old Town", "Station"])
worth = np.array([8.0, 3.0, 5.0, 6.0, 0.0])
which = rng.integers(0, 5, n)
area = rng.gamma(9.0, 7.0, n) + 18
year = rng.integers(1900, 2024, n)
lift = rng.random(n) < 0.4
listed = np.datetime64("2022-01-01") + rng.integers(0, 1000, n).astype("timedelta64[D]")
months = (listed - np.datetime64("2022-01-01")).astype(int) / 30
rent = area * (9 + worth[which] + 0.03 * (year - 1960) + 0.06 * months) + 80 * lift + 150 + rng.normal(0, 60, n)

folder = Path("your_own_table")
folder.mkdir(exist_ok=True)
path = folder / "flats.csv"
with path.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "district", "area_m2", "year_built", "lift", "listed", "rent"])
    for i in range(n):
        writer.writerow([
            f"F{10000 + i}",
            districts[which[i]] if rng.random() > 0.03 else "",
            f"{area[i]:.1f}" if rng.random() > 0.05 else "NA",
            year[i] if rng.random() > 0.1 else "?",
            "yes" if lift[i] else "no",
            listed[i],
            f"€ {rent[i]:,.0f}",
        ])  # fmt: skip
print("\n".join(path.read_text().splitlines()[:4]))

# %%
# The command line
# ----------------
#
# In a terminal you would write
#
# .. code-block:: sh
#
#    fastbp train flats.csv --target rent --output flats.safetensors
#
# This page calls the same command from Python, so that you see what it prints. It finds out how the file is written
# and what each column is. The identifier is left out, and it says so. A fifth of the rows is for the test.


def run(*words):
    """Run a fastbp command, and print what it prints; live lines and seconds are left out."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = fastbp_command([str(word) for word in words])
    print(output.getvalue().strip())
    assert not status


run("train", path, "--target", "rent", "--output", folder / "flats.safetensors")

# %%
# New rows come in a file of their own. Their columns may be in another order. Here the district is one that the model
# has never seen, and the year is missing. ``fastbp predict`` writes the identifier and the rent.

new = folder / "new.csv"
rows = "id,lift,listed,area_m2,district,year_built", "N1,yes,2024-05-02,62,Airport,", "N2,no,2022-02-01,30,Hill,1931"
new.write_text("\n".join(rows))
run("predict", folder / "flats.safetensors", new)

# %%
# The estimator
# -------------
#
# In Python, :class:`fastbp.tabular.TabularRegressor` takes a table of pandas, polars or pyarrow as it is. It trains
# eight networks at once and averages them, by a recipe that needs no tuning. It is an estimator of scikit-learn, so
# ``train_test_split``, ``cross_val_score`` and pipelines work with it.

frame = polars.read_csv(path, null_values=["NA", "?", ""]).with_columns(
    polars.col("rent").str.replace_all("[€, ]", "").cast(polars.Float64),
    polars.col("listed").str.to_date(),
)
X, y = frame.drop("rent"), frame["rent"].to_numpy()
train, test = train_test_split(np.arange(n), test_size=0.2, random_state=0)
model = TabularRegressor(random_state=0).fit(X[train], y[train])
for column in model.columns_:
    print(f"{column.name:12} {column.kind}")

# %%
# How good is it? The chance in this table is a normal error with a deviation of 60. Its mean size is 48. No model can
# do better than that, and in some of the rows the area or the district is missing.

guess = np.full(len(test), y[train].mean())
print(f"mean error: {mean_absolute_error(y[test], model.predict(X[test])):.0f}")
print(f"of the simplest guess, the mean: {mean_absolute_error(y[test], guess):.0f}")

# %%
# Which columns matter
# --------------------
#
# Shuffle one column, and see how much the score, R², falls. That is its permutation importance.

importance = model.permutation_importance(X[test], y[test], random_state=0)
for name, (mean, deviation) in importance.items():
    print(f"{name:12} {mean:6.3f} ± {deviation:.3f}")

# %%
# Keep it
# -------
#
# One file holds the preprocessing and the networks. ``to_c`` writes a C99 function that takes the columns of a row;
# ``to_onnx`` writes an ONNX graph.

model.save(folder / "rent.safetensors")
again = TabularRegressor.load(folder / "rent.safetensors")
print("the same predictions:", bool((again.predict(X[test]) == model.predict(X[test])).all()))

# %%
# Which of the two?
# -----------------
#
# * ``fastbp train`` needs no program, reads any text file, and tells you what it thinks of your table.
# * ``fastbp.tabular`` is for programs: it explains its predictions, and writes C and ONNX.
#
# Both learn by the same recipe, and ``TabularRegressor.load`` reads the file of ``fastbp train``.
#
# Both say where they are weak: :doc:`/measure/where_fastbp_loses`. More about tables: :doc:`/use/tables`.
