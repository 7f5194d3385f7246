from fer.bench import app, frames, networks, run_bench


def test_networks_and_frames_are_measured_unless_the_app_is_asked_for(monkeypatch):
    for module, name in ((networks, "run_network_bench"), (frames, "run_frame_bench"), (app, "run_app_bench")):
        monkeypatch.setattr(module, name, lambda *, log, name=name: log(name))
    lines = []
    run_bench(log=lines.append)
    assert lines == ["run_network_bench", "run_frame_bench"]
    run_bench(app=True, log=lines.append)
    assert lines[2:] == ["run_app_bench"]
