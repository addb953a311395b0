//! Cache routing: pools, health, request and response path.
