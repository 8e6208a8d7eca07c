//! Keeps a fresh copy of the website and serves it under the same name.
