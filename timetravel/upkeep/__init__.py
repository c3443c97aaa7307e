"""The record of erasures and retention, and the folders with copies of facts."""
