"""Two runs side by side: settings, hardware, verdicts, tables and curves on one page."""
