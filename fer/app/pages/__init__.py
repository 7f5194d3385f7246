"""The HTML of the web app's tabs, its style and its texts."""
