"""Which pages an experiment makes: profiles, moments, strata."""
