//! Bytes and typed messages of SMTP (RFC 5321), without state of a conversation.
