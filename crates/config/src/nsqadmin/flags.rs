//! nsqadmin's flags. Usage texts, defaults and field names are nsqadmin's. Rows
//! are in the order of the usage text.

use crate::go_flags::{FlagSpec, GoKind, flag};

pub(super) const FLAGS: &[FlagSpec] = &[
    flag("acl-http-header", GoKind::Text, "X-Forwarded-User", "HTTP header to check for authenticated admin users", "ACLHTTPHeader"),
    flag("admin-user", GoKind::Texts, "", "admin user (may be given multiple times; if specified, only these users will be able to perform privileged actions; acl-http-header is used to determine the authenticated user)", "AdminUsers").key("admin_users"),
    flag("allow-config-from-cidr", GoKind::Text, "127.0.0.1/8", "A CIDR from which to allow HTTP requests to the /config endpoint", "AllowConfigFromCIDR"),
    flag("base-path", GoKind::Text, "/", "URL base path", "BasePath"),
    flag("config", GoKind::Text, "", "path to config file", "Config").no_key(),
    flag("dev-static-dir", GoKind::Text, "", "(development use only)", "DevStaticDir"),
    flag("graphite-url", GoKind::Text, "", "graphite HTTP address", "GraphiteURL"),
    flag("http-address", GoKind::Text, "0.0.0.0:4171", "<addr>:<port> to listen on for HTTP clients", "HTTPAddress"),
    flag("http-client-connect-timeout", GoKind::Duration, "2s", "timeout for HTTP connect", "HTTPClientConnectTimeout"),
    flag("http-client-request-timeout", GoKind::Duration, "5s", "timeout for HTTP request", "HTTPClientRequestTimeout"),
    flag("http-client-tls-cert", GoKind::Text, "", "path to certificate file for the HTTP client", "HTTPClientTLSCert"),
    flag("http-client-tls-insecure-skip-verify", GoKind::Bool, "false", "configure the HTTP client to skip verification of TLS certificates", "HTTPClientTLSInsecureSkipVerify"),
    flag("http-client-tls-key", GoKind::Text, "", "path to key file for the HTTP client", "HTTPClientTLSKey"),
    flag("http-client-tls-root-ca-file", GoKind::Text, "", "path to CA file for the HTTP client", "HTTPClientTLSRootCAFile"),
    flag("log-level", GoKind::LogLevel, "INFO", "set log verbosity: debug, info, warn, error, or fatal", "LogLevel"),
    flag("log-prefix", GoKind::Text, "[nsqadmin] ", "log message prefix", "LogPrefix"),
    flag("lookupd-http-address", GoKind::Texts, "", "lookupd HTTP address (may be given multiple times)", "NSQLookupdHTTPAddresses").key("nsqlookupd_http_addresses"),
    flag("notification-http-endpoint", GoKind::Text, "", "HTTP endpoint (fully qualified) to which POST notifications of admin actions will be sent", "NotificationHTTPEndpoint"),
    flag("nsqd-http-address", GoKind::Texts, "", "nsqd HTTP address (may be given multiple times)", "NSQDHTTPAddresses").key("nsqd_http_addresses"),
    flag("proxy-graphite", GoKind::Bool, "false", "proxy HTTP requests to graphite", "ProxyGraphite"),
    flag("statsd-counter-format", GoKind::Text, "stats.counters.%s.count", "The counter stats key formatting applied by the implementation of statsd. If no formatting is desired, set this to an empty string.", "StatsdCounterFormat"),
    flag("statsd-gauge-format", GoKind::Text, "stats.gauges.%s", "The gauge stats key formatting applied by the implementation of statsd. If no formatting is desired, set this to an empty string.", "StatsdGaugeFormat"),
    flag("statsd-interval", GoKind::Duration, "1m0s", "time interval nsqd is configured to push to statsd (must match nsqd)", "StatsdInterval"),
    flag("statsd-prefix", GoKind::Text, "nsq.%s", "prefix used for keys sent to statsd (%s for host replacement, must match nsqd)", "StatsdPrefix"),
    flag("verbose", GoKind::Bool, "false", "[deprecated] has no effect, use --log-level", "Verbose").no_key(),
    flag("version", GoKind::Bool, "false", "print version string", "Version").no_key(),
];
