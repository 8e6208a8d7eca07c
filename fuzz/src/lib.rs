//! Fuzz targets as plain functions: each takes bytes of a guest and must come back without
//! panic and within bounds. `cargo xtask fuzz TARGET SECONDS` looks for bytes that break one;
//! what it ever found lies in `corpus/TARGET/` and is replayed by this crate's test.
//!
//! A new target: a function here, its line in [`TARGETS`], and a `corpus/TARGET/` with at least
//! one file.

/// A target: guest's bytes in, nothing out, no panic.
pub type Target = fn(&[u8]);

/// All targets by name; the corpus directory bears the same name.
pub const TARGETS: &[(&str, Target)] = &[
    ("dns_wire", dns_wire),
    ("mail_header", mail::fuzz::mail_header),
    ("mail_record", mail::fuzz::mail_record),
    ("smtp_data", mail::fuzz::smtp_data),
    ("smtp_line", mail::fuzz::smtp_line),
    ("smtp_reply", mail::fuzz::smtp_reply),
    ("tsig_key", names::fuzz::tsig_key),
    ("zone_file", names::fuzz::zone_file),
];

/// A DNS message as a guest may send it (RFC 1035 §4, RFC 6891, RFC 8945).
pub fn dns_wire(data: &[u8]) {
    names::fuzz::dns_wire(data);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    #[test]
    fn every_corpus_replays() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for (name, target) in TARGETS {
            let files: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().collect();
            assert!(!files.is_empty(), "corpus/{name} is empty");
            for file in files {
                let path = file.unwrap().path();
                // Shown when the target panics.
                println!("{}", path.display());
                target(&fs::read(path).unwrap());
            }
        }
    }

    #[test]
    fn every_corpus_has_its_target() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for entry in fs::read_dir(corpus).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(
                TARGETS.iter().any(|(target, _)| name == *target),
                "{name:?} has no target"
            );
        }
    }
}
