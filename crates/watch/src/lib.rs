//! Probes every service from every place and says what was measured.
