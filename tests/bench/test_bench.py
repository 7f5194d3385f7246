import pytest

from fer.bench import app, batch, datasets, epochs, exports, frames, networks, run_bench, videos
from fer.errors import SettingsError


def test_networks_and_frames_are_measured_unless_the_app_is_asked_for(monkeypatch):
    modules = {
        "run_network_bench": networks,
        "run_frame_bench": frames,
        "run_video_bench": videos,
        "run_app_bench": app,
        "run_epoch_bench": epochs,
        "run_export_bench": exports,
        "run_batch_bench": batch,
    }
    for name, module in modules.items():
        monkeypatch.setattr(module, name, lambda *, log, seconds=None, name=name: log(name))
    monkeypatch.setattr(datasets, "run_dataset_bench", lambda *, faces, log: log(f"run_dataset_bench {faces}"))
    lines = []
    run_bench(log=lines.append)
    assert lines == ["run_network_bench", "run_frame_bench", "run_video_bench"]
    run_bench(app=True, log=lines.append)
    assert lines[3:] == ["run_app_bench"]
    run_bench(gpu=True, log=lines.append)
    assert lines[4:] == ["run_epoch_bench"]
    run_bench(export=True, log=lines.append)
    assert lines[5:] == ["run_export_bench"]
    run_bench(batch=True, log=lines.append)
    assert lines[6:] == ["run_batch_bench"]
    run_bench(data=True, faces=9000, log=lines.append)
    assert lines[7:] == ["run_dataset_bench 9000"]


@pytest.mark.parametrize("flags", [("app", "gpu"), ("app", "export"), ("gpu", "export"), ("app", "batch")])
def test_one_thing_is_measured_at_once(flags):
    with pytest.raises(SettingsError, match="Received: more than one"):
        run_bench(**dict.fromkeys(flags, True))


def test_too_few_faces_are_refused():
    with pytest.raises(SettingsError, match="--faces"):
        run_bench(data=True, faces=7999)


def test_a_load_that_lasts_no_time_is_refused():
    with pytest.raises(SettingsError, match="--seconds"):
        run_bench(app=True, seconds=0)
