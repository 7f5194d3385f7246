import re

import pytest

from fer.bench.app import measure_tab
from fer.bench.chromium import find_chromium


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt-get install chromium")
def test_the_video_tab_is_timed_beside_the_analysis_alone(app_server):
    whole, cancelled = measure_tab(app_server, 4.0)
    tab, alone, ratio = map(
        float,
        re.fullmatch(
            r"4 s\.mp4 in the Video tab: ([\d.]+) s, without the app ([\d.]+) s, ratio ([\d.]+) \(goal: at most 1\.3\)",
            whole,
        ).groups(),
    )
    assert alone > 0
    assert ratio == pytest.approx(tab / alone, abs=0.3)
    assert re.match(r"cancelled: results after [\d.]+ s", cancelled)
