"""The page services: assembler, filtering, ranking and dedup."""
