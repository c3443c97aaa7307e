"""What every package stands on: errors, moments, arrays, kernels, files."""
