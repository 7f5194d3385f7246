"""The page in Gradio: components, events and tabs. Only this package and gradio_app.py import Gradio."""
