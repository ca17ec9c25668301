"""A notebook of forty cells as people write them, and what there is at its end."""

from __future__ import annotations

START = [
    "import json, math, os, random, re\nimport numpy as np\nimport pandas as pd",
    "from collections import Counter, defaultdict\nfrom dataclasses import dataclass, field",
    "from pathlib import Path\nPath('data').mkdir(exist_ok=True)",
    "random.seed(1); np.random.seed(2); rng = np.random.default_rng(3)",
    "days = pd.date_range('2026-01-01', periods=200)",
    (
        "rides = pd.DataFrame({'day': days, 'city': rng.choice(['A', 'B', 'C'], 200), "
        "'count': rng.integers(1, 99, 200)})"
    ),
    "rides.to_csv('data/rides.csv', index=False)",
    "by_city = rides.groupby('city')['count'].sum()",
    "weekly = rides.set_index('day')['count'].resample('W').sum()",
    (
        "@dataclass\nclass City:\n    name: str\n    total: int\n    notes: list = field("
        "default_factory=list)\n    def label(self): return f'{self.name}: {self.total}'"
    ),
    "cities = {name: City(name, int(total)) for name, total in by_city.items()}",
    "largest = max(cities.values(), key=lambda city: city.total)",
    "largest.notes.append('largest')",
    "def scale(values, factor=2): return [value * factor for value in values]",
    (
        "class Model:\n    def fit(self, x, y):\n        self.coefficients = np.polyfit(x, y, 2)\n"
        "        return self\n    def predict(self, x): return np.polyval(self.coefficients, x)"
    ),
    "x = np.arange(len(weekly)); model = Model().fit(x, weekly.to_numpy())",
    "predicted = model.predict(x)",
    "residuals = weekly.to_numpy() - predicted",
    "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt",
    "figure, axes = plt.subplots(); axes.plot(x, predicted); plt.close(figure)",
    "figure.savefig('data/plot.png')",
    "words = Counter(re.findall(r'\\w+', 'the quick the lazy the dog'))",
    "index = defaultdict(list)\nfor word, count in words.items(): index[count].append(word)",
    "history = []",
    (
        "@__import__('functools').lru_cache\ndef fibonacci(n): "
        "return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)"
    ),
]

# Each adds to what was there before, so that what is lost on the way is missing at the end.
STEPS = [
    f"history.append((random.random(), float(np.random.rand()), float(rng.random()), {number}))\n"
    f"rides.loc[{number}, 'count'] += 1; largest.notes.append({number})\n"
    f"Path('data/step{number}.txt').write_text(str(fibonacci({number})))\n"
    f"os.environ['STEP'] = '{number}'; cities['A'].total += {number}"
    for number in range(15)
]

CELLS = [*START, *STEPS]

# Of all that is there at the end, in words that two kernels can be compared by.
SUMMARY = """
print(json.dumps({
    "rides": rides.to_json(), "again": pd.read_csv("data/rides.csv").to_json(),
    "by_city": by_city.to_dict(), "weekly": weekly.sum().item(), "labels": [
        city.label() for city in cities.values()], "largest": largest.notes,
    "is_same": largest is cities[largest.name], "scaled": scale([1, 2]),
    "model": model.predict(x).round(6).tolist() == predicted.round(6).tolist(),
    "residuals": residuals.round(6).tolist(), "lines": len(axes.lines),
    "of_figure": figure.axes[0] is axes, "index": index, "history": history,
    "next": [random.random(), float(np.random.rand()), float(rng.random())],
    "files": sorted(os.listdir("data")), "step": os.environ["STEP"],
    "plot": Path("data/plot.png").read_bytes()[:8].hex(), "type": type(largest) is City,
}, sort_keys=True))
"""
