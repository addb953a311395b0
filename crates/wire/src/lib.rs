//! Pure codecs: redis, memcache, nsq. No socket, no clock, no log.
