import subprocess
import sys
import time

from fer.batch.watchdog import Watchdog

HANG = """
import time
from fer.batch.watchdog import Watchdog
with Watchdog(0.5, on_timeout=lambda: print("no progress", flush=True)) as watchdog:
    for _ in range(4):
        time.sleep(0.3)
        watchdog.reset()
    print("progress", flush=True)
    time.sleep(60)
"""


def test_a_process_without_progress_ends():
    process = subprocess.run([sys.executable, "-c", HANG], capture_output=True, text=True, timeout=50, check=False)
    assert process.stdout.splitlines() == ["progress", "no progress"]
    assert process.returncode == 1


OBSERVE = """
import time
from fer.batch.watchdog import Watchdog
count = 0
with Watchdog(0.5, on_timeout=lambda: print("no progress", count, flush=True)) as watchdog:
    watchdog.reset(extra=1.0)
    watchdog.observe(lambda: count)
    time.sleep(1.0)
    for _ in range(4):
        time.sleep(0.3)
        count += 1
    time.sleep(60)
"""


def test_a_change_of_the_observed_value_is_progress():
    process = subprocess.run([sys.executable, "-c", OBSERVE], capture_output=True, text=True, timeout=50, check=False)
    assert process.stdout.splitlines() == ["no progress 4"]


def test_a_watchdog_ends_with_the_work_and_none_watches_without_a_limit():
    for seconds in (0.1, 0.0):
        with Watchdog(seconds, on_timeout=lambda: None):
            pass
        time.sleep(0.3)
