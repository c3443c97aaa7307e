"""Pages side by side, in a report and in the terminal."""
