//! Authoritative DNS: secondary, standby zone, steering.
