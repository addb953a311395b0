//! Counters, histograms, the registry and its renderings; logging.
