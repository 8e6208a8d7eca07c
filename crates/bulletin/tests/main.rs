//! The bulletin as its visitors see it: opened on a real store, fed with records and standings,
//! asked through the routes.

mod feed;
mod follow;
mod notice;
mod pages;
mod scenes;
mod serve;
mod stage;
mod xml;
