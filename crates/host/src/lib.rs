//! The machine as a part sees it: clock, sockets, TLS, limits, drain, metrics, typed outlets.
//!
//! A part receives one [`Host`] and nothing else from its surroundings. Time comes from
//! [`Clock`], every task is spawned through [`Tasks`], every socket through [`net`], and what a
//! part has to say leaves through [`Outlets`]. A simulated clock and network can stand in.

pub mod admin;
mod clock;
pub mod config;
pub mod limits;
pub mod metrics;
pub mod net;
pub mod outbound;
mod outlet;
mod part;
pub mod session;
mod tasks;
pub mod tls;
pub mod web;

pub use clock::Clock;
pub use outlet::{
    Handback, HandbackOutcome, Hint, Outlet, OutletReceiver, Outlets, Progress, Reminder, outlet,
};
pub use part::{Host, OpenError, Part, RunError, chain};
pub use tasks::{Drain, DrainTrigger, Held, Restarts, TaskReport, Tasks};
