"""What the wheel holds: the packages below ``fer/``, the runs of ``artifacts/`` in a checkout, and the web app."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["fer", "fer.*"]), "fer.shipped", "fer.shipped_mini"],
    py_modules=["gradio_app"],
)
