//! Mail and guests who are no good company: connections that break at the worst moment, a
//! resolver that is gone, somebody who carries the disk away, thousands who are slow.
//!
//! ```text
//! 198.51.100.25  mail      the primary (MX 10): Postfix and Dovecot, or a program that counts
//! 198.51.100.53  dns       Knot, the organisation's zone
//! 192.0.2.7      standby   servergate (MX 20)
//! 203.0.113.200  elsewhere somebody else's name server: the standby's reference
//! 203.0.113.53   resolver  Unbound
//! 203.0.113.40   sender    whoever sends
//! ```

mod crowd;
mod cuts;
mod dark_dns;
mod filter;
mod image;
mod scan;
mod slow;
mod stage;

pub(super) use cuts::run as cuts;
pub(super) use dark_dns::run as dark_dns;
pub(super) use filter::run as filter;
pub(super) use image::run as image;
pub(super) use slow::run as slow;
