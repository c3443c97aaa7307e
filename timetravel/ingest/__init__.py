"""Facts from outside: chunks of records, checked, decoded and taken whole or not at all."""
