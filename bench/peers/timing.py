"""Medians of repeated runs, as `crossdub bench` takes them."""

import statistics
import time


def median_ms(work, max_runs=25, min_runs=5, seconds=20.0, warm_up=2):
    """The median time of `work` in milliseconds; no new run starts after `seconds`."""
    for _ in range(warm_up):
        work()
    times, started = [], time.perf_counter()
    while len(times) < min_runs or (len(times) < max_runs and time.perf_counter() - started < seconds):
        before = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - before))
    return statistics.median(times)
