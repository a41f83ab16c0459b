"""What `jfm.report` measures: every table of the page, as numbers."""
