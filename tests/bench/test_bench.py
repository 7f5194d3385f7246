from fer.bench import app, frames, networks, run_bench, videos


def test_networks_and_frames_are_measured_unless_the_app_is_asked_for(monkeypatch):
    modules = {
        "run_network_bench": networks,
        "run_frame_bench": frames,
        "run_video_bench": videos,
        "run_app_bench": app,
    }
    for name, module in modules.items():
        monkeypatch.setattr(module, name, lambda *, log, name=name: log(name))
    lines = []
    run_bench(log=lines.append)
    assert lines == ["run_network_bench", "run_frame_bench", "run_video_bench"]
    run_bench(app=True, log=lines.append)
    assert lines[3:] == ["run_app_bench"]
