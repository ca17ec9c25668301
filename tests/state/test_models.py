"""Fitted models of scikit-learn in a session, before it is saved and after it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cache import kept
from tests.support.environments import make_environment
from tests.support.interpreters import write_kernelspec
from tests.support.kernels import KernelDriver, kernel

NAME = "models"

PACKAGES = ("scikit-learn==1.9.1", "pandas==3.1.1", "ipykernel==7.4.0")

MAKE = """
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

class Clipped(BaseEstimator, TransformerMixin):
    def __init__(self, high=1.0): self.high = high
    def fit(self, x, y=None): return self
    def transform(self, x): return np.minimum(x, self.high)

rng = np.random.default_rng(1)
table = pd.DataFrame(rng.random((200, 3)), columns=["a", "b", "c"])
table["kind"] = pd.Categorical(rng.choice(["x", "y"], 200))
values = table["a"] * 2 + table["b"] + (table["kind"] == "x")
columns = make_column_transformer(
    (StandardScaler(), ["a", "b"]), (OneHotEncoder(), ["kind"]),
    (FunctionTransformer(lambda x: x ** 2), ["c"]),
)
pipeline = make_pipeline(columns, Clipped(0.8), Ridge()).fit(table, values)
numbers = table[["a", "b", "c"]]
forest = RandomForestClassifier(20, random_state=2, warm_start=True)
forest.fit(numbers, values > values.mean())
boosted = HistGradientBoostingRegressor(max_iter=20).fit(numbers, values)
neighbours = KNeighborsRegressor(algorithm="kd_tree").fit(numbers, values)
search = GridSearchCV(pipeline, {"ridge__alpha": [0.1, 10.0]}, cv=3).fit(table, values)
models = {"forest": forest, "boosted": boosted, "step": pipeline.named_steps["clipped"]}
"""

# What is asked of the models, fitted anew too, and how they hang together.
SEE = """
def total(model, data): return round(float(model.predict(data).sum()), 6)
print([total(model, numbers) for model in (forest, boosted, neighbours)])
print(total(pipeline, table), total(search, table), forest.predict_proba(numbers)[:3].tolist())
print(forest.estimators_[3].tree_.node_count, neighbours.kneighbors(numbers[:2])[1].tolist())
print(search.best_params_, search.best_score_, forest.feature_importances_.tolist())
print(models["forest"] is forest, models["step"] is pipeline[1], type(pipeline[1]) is Clipped)
print(search.estimator is pipeline, list(pipeline.feature_names_in_))
forest.set_params(n_estimators=25).fit(numbers, values > values.mean())
print(len(forest.estimators_), round(float(forest.predict_proba(numbers)[:, 1].sum()), 6))
print(total(clone(pipeline).fit(table, values), table))
"""


@pytest.fixture(scope="module")
def driver(downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelDriver]:
    """A kernel whose sessions have scikit-learn."""
    environment = kept(
        downloads / "_".join(PACKAGES), lambda place: make_environment(place, *PACKAGES)
    )
    specs = tmp_path_factory.mktemp("specs")
    python = str(environment / "bin" / "python")
    write_kernelspec(specs, NAME, [python, "-m", "ipykernel_launcher"])
    options = ("--LocalServer.directory=private", f"--LocalServer.kernel_name={NAME}")
    with kernel("tci-local", *options, JUPYTER_PATH=str(specs)) as started:
        yield started


def test_fitted_models_say_the_same_in_another_session(
    driver: KernelDriver, tmp_path: Path
) -> None:
    made = driver.run(MAKE)
    assert made.reply["status"] == "ok", made.reply
    saved = driver.run(f"%tci save {tmp_path / 'models.tci'}")
    assert "Not saved" not in str(saved.outputs)
    before = driver.run(SEE).text()
    assert "True True True\n" in before
    assert before.count("\n") == 8, before

    driver.run("%tci new")
    loaded = driver.run(f"%tci load {tmp_path / 'models.tci'}")
    assert "Not loaded" not in str(loaded.outputs)
    assert driver.run(SEE).text() == before
