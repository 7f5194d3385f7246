"""What stands behind the web app: sessions, pages in HTML, jobs and answers. Nothing here knows the web framework."""
