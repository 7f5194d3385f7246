"""Compute on one backend what all backends must agree on: run this script with KERAS_BACKEND set.

Arguments: a saved network, its run folder, a file of faces, and the file for the results.
"""

import sys

import keras
import numpy as np


def take_one_step(path, faces):
    """Return the loss of one optimisation step on a saved network, and its weights after it."""
    model = keras.saving.load_model(path, compile=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "categorical_crossentropy")
    classes = np.arange(len(faces)).reshape(-1, *[1] * (len(model.output_shape) - 2)) % 7
    targets = np.broadcast_to(np.eye(7, dtype=np.float32)[classes], (len(faces), *model.output_shape[1:]))
    loss = model.train_on_batch(faces.astype(np.float32)[..., None], targets)
    return float(loss), np.concatenate([np.ravel(value) for value in model.get_weights()])


def main(path, run_folder, faces_path, out):
    faces = np.load(faces_path)
    # Plain Keras first, before any module of the package is imported.
    assert "fer" not in sys.modules
    plain = keras.saving.load_model(path, compile=False).predict(faces.astype(np.float32)[..., None], verbose=0)
    loss, weights = take_one_step(path, faces)

    from fer import Classifier

    classifier = Classifier.load(run_folder, runtime="keras")
    np.savez(
        out,
        plain=plain,
        plain_heads=plain.reshape(len(plain), len(classifier.heads), -1),
        heads=classifier.predict_heads(faces),
        flip=classifier.predict(faces, flip=True),
        maps=classifier.explain(faces),
        loss=loss,
        weights=weights,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
