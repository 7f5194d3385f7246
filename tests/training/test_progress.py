import pytest

from fer.config import PhaseConfig
from fer.training.progress import ProgressBar
from fer.training.schedule import PhaseSchedule

SCHEDULE = PhaseSchedule((PhaseConfig(name="main", epochs=3, learning_rate=0.5, schedule="constant"),), 20)
LOGS = {"accuracy": 0.25, "loss": 1.5}


def run_epochs(bar, epochs, steps=20):
    for epoch in epochs:
        bar.on_epoch_begin(epoch)
        for step in range(steps):
            bar.on_train_batch_end(step, LOGS)
        bar.on_epoch_end(epoch, LOGS)


@pytest.fixture
def bar():
    bar = ProgressBar(SCHEDULE, 20, 0, 3, describe=lambda: "one line", shown=True)
    yield bar
    bar.on_train_end()


def test_the_bar_counts_all_steps_of_the_run(bar):
    run_epochs(bar, range(3))
    assert (bar.bar.n, bar.bar.total) == (60, 60)


def test_a_resumed_run_starts_at_the_steps_done_before():
    bar = ProgressBar(SCHEDULE, 20, 2, 3, describe=lambda: "one line", shown=True)
    assert (bar.bar.n, bar.bar.total) == (40, 60)
    run_epochs(bar, [2])
    assert bar.bar.n == 60
    bar.on_train_end()


def test_the_bar_shows_the_number_of_the_epoch(bar):
    bar.on_epoch_begin(1)
    assert bar.bar.desc == "epoch 2/3: "


def test_accuracy_and_learning_rate_appear_at_every_tenth_step(bar):
    for step in range(9):
        bar.on_train_batch_end(step, LOGS)
    assert bar.bar.postfix is None
    bar.on_train_batch_end(9, LOGS)
    assert bar.bar.postfix == "accuracy 0.250, lr 5.00e-01"


def test_each_epoch_ends_with_a_line(bar, capsys):
    run_epochs(bar, range(2), steps=1)
    assert capsys.readouterr().out == "one line\none line\n"


def test_the_end_of_training_closes_the_bar():
    bar = ProgressBar(SCHEDULE, 20, 0, 3, describe=lambda: "one line", shown=True)
    assert not bar.bar.disable
    bar.on_train_end()
    assert bar.bar.disable


def test_a_hidden_bar_prints_nothing(capsys):
    bar = ProgressBar(SCHEDULE, 20, 0, 3, describe=lambda: "one line", shown=False)
    run_epochs(bar, range(3))
    bar.on_train_end()
    assert capsys.readouterr() == ("", "")
