"""Data sets: readers of all formats, the drawn sample, the duplicate guard, and prepared files."""

from fer.data.dataset import Dataset, choose_name, load_dataset, save_dataset
from fer.data.drawn.sample import draw_sample
from fer.data.preparation import Preparation, format_preparation, prepare_dataset

__all__ = [
    "Dataset",
    "Preparation",
    "choose_name",
    "draw_sample",
    "format_preparation",
    "load_dataset",
    "prepare_dataset",
    "save_dataset",
]
