"""The web app without its framework: visitors, handlers, pages as HTML, endpoints and the Hugging Face Space."""
