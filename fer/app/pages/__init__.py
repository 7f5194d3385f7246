"""The tabs of the web app as HTML, with their texts, style sheet and script."""
