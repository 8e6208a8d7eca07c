//! SPF, DKIM and DMARC of what was accepted, written as Authentication-Results (RFC 8601).
