"""Questions about the record itself: who said what when, and what changed since."""
