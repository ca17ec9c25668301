"""Three notebooks, each with something large that is soon made and something small that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Prices on random paths, and how sure what follows from them is.
PRICES = [
    "import numpy as np",
    "steps, paths, rate, spread, strike = 60, 200_000, 0.02, 0.2, 105.0",
    "rng = np.random.default_rng(7)",
    "moves = rng.normal((rate - spread**2 / 2) / steps, spread / steps**0.5, (paths, steps))",
    "prices = 100 * np.exp(np.cumsum(moves, axis=1))",
    "prices[:, -1].mean()",
    "means = prices.mean(axis=1)",
    "payoffs = np.exp(-rate) * np.maximum(means - strike, 0)",
    "print(payoffs.mean())",
    (
        "again = np.random.default_rng(8)\n"
        "means_again = [again.choice(payoffs, payoffs.size).mean() for _ in range(2_000)]"
    ),
    "low, high = np.quantile(means_again, [0.025, 0.975])",
    "knocked = prices.max(axis=1) > 140",
    "table = {name: payoffs[knocked == name].mean() for name in (True, False)}",
]

# Rides of bicycles: a table, what is derived from it, and a model.
RIDES = [
    "import numpy as np\nimport pandas as pd",
    "rng = np.random.default_rng(3)\nrides_count = 1_500_000",
    "seconds = rng.integers(0, 86_400 * 365, rides_count)",
    "starts = pd.Timestamp('2026-01-01') + pd.to_timedelta(seconds, 's')",
    (
        "rides = pd.DataFrame({'start': starts, 'station': rng.integers(0, 400, rides_count), "
        "'minutes': rng.gamma(2.0, 8.0, rides_count), 'member': rng.random(rides_count) < 0.7})"
    ),
    "rides.head()",
    "rides['hour'] = rides['start'].dt.hour\nrides['weekday'] = rides['start'].dt.weekday",
    "by_station = rides.groupby('station')['minutes'].agg(['mean', 'std', 'count'])",
    "joined = rides.join(by_station, on='station')",
    "joined['above'] = (joined['minutes'] - joined['mean']) / joined['std']",
    "joined.describe()",
    "hourly = joined.pivot_table(index='weekday', columns='hour', values='above')",
    (
        "features = np.column_stack([joined['hour'], joined['weekday'], joined['member'], "
        "np.ones(len(joined))]).astype(float)"
    ),
    (
        "class Model:\n"
        "    def __init__(self): self.weights = np.zeros(4)\n"
        "    def fit(self, inputs, outputs, rounds):\n"
        "        scaled = inputs / inputs.max(axis=0)\n"
        "        for _ in range(rounds):\n"
        "            error = scaled @ self.weights - outputs\n"
        "            self.weights -= 0.3 * scaled.T @ error / len(outputs)\n"
        "        return self"
    ),
    "model = Model().fit(features, joined['above'].to_numpy(), 300)",
    "print(model.weights)",
]

# Texts: what is in them, a matrix of it, and its main directions.
TEXTS = [
    "import math\nimport random\nfrom collections import Counter\nimport numpy as np",
    "random.seed(11)\nwords = [''.join(random.choices('aeiklmnorst', k=6)) for _ in range(3_000)]",
    "weights = [1 / (place + 1) for place in range(len(words))]",
    "texts = [random.choices(words, weights, k=120) for _ in range(4_000)]",
    "counts = [Counter(text) for text in texts]",
    "places = {word: place for place, word in enumerate(words)}",
    "found_in = Counter(word for count in counts for word in count)",
    (
        "matrix = np.zeros((len(texts), len(words)))\n"
        "for row, count in enumerate(counts):\n"
        "    for word, number in count.items():\n"
        "        matrix[row, places[word]] = number * math.log(len(texts) / found_in[word])"
    ),
    "matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)",
    "matrix.shape",
    (
        "rng = np.random.default_rng(5)\nbasis = rng.normal(size=(len(words), 30))\n"
        "for _ in range(60):\n    basis, _rest = np.linalg.qr(matrix.T @ (matrix @ basis))"
    ),
    "positions = matrix @ basis",
    "nearest = [int(np.argsort(-(positions @ positions[row]))[1]) for row in range(20)]",
    "readers = ((row, ' '.join(texts[row][:5])) for row in nearest)",
    "next(readers)",
]

NOTEBOOKS: Mapping[str, Sequence[str]] = {
    "prices": PRICES,
    "rides": RIDES,
    "texts": TEXTS,
}
