//! The capture and the serving of a site, over real sockets on this machine.

mod capture;
mod origin;
