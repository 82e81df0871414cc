"""How loops become machine code: options, the cache on disk, calls by address, threads, views of arrays."""
