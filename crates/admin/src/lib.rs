//! HTTP APIs, metrics endpoint, web UI.
