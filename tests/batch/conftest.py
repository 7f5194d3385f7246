import os

import pytest


@pytest.fixture(autouse=True)
def keep_working_folder():
    """A worker changes its working folder: tests that have one in their process change it back."""
    folder = os.getcwd()
    yield
    os.chdir(folder)
