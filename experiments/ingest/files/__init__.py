"""Reading CSV, JSON Lines and Parquet, slice by slice."""
