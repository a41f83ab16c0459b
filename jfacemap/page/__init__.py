"""One self-contained HTML page of what was measured."""
