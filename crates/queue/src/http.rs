//! nsqd's HTTP API: the router and its listeners, on the control thread.
