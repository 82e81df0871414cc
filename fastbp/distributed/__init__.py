"""Training on several processes of an MPI job: what they tell each other, and samples in shards."""
