//! State that outlives a request and may be shared by replicas: in memory, or in Redis.
