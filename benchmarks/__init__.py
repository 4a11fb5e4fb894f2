"""The benchmarks: the same work on mandala-cas, on its peers and on the raw limit."""
