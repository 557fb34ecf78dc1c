"""Speed, judged as ratios that were measured in one run (`python -m benchmarks`)."""
