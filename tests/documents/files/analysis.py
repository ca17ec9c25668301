"""The mean of three counts."""

import statistics

print("mean:", statistics.mean([3, 5, 10]))
