//! The public page: measured facts, statements, timeline, feed.
