"""What everything stands on: errors, storage, random numbers, threads, linear algebra."""
