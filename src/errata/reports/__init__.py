"""What people read: tables for the terminal, figures, and the page that reports a correction."""
