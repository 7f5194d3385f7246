"""What predict and video write: tables, annotated copies, summaries and timelines."""
