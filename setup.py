"""Packages of the wheel: those below ``fer/``, and the shipped run, which lies in ``artifacts/`` in a checkout."""

from setuptools import find_namespace_packages, setup

setup(packages=[*find_namespace_packages(include=["fer", "fer.*"]), "fer.shipped"])
