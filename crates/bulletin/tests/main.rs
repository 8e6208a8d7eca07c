//! The bulletin as its visitors see it: opened on a real store, fed with records and standings,
//! asked through the routes.

// A test that cannot go on has found something; clippy knows only functions marked as tests.
#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod feed;
mod follow;
mod mail;
mod notice;
mod pages;
mod scenes;
mod serve;
mod stage;
mod xml;
