"""Facts from outside: chunks of records, checked, decoded and appended in one transaction."""
