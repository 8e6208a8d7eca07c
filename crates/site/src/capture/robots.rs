//! What robots.txt asks of us. RFC 9309.

use std::time::Duration;

use texting_robots::Robot;

use crate::wire::address::Address;

/// What one host asks of us.
#[derive(Debug, Default)]
pub(crate) struct Robots {
    rules: Option<Robot>,
    /// Where its sitemaps are, as written.
    pub(crate) sitemaps: Vec<String>,
    /// The least time between two requests.
    pub(crate) delay: Option<Duration>,
}

/// The name in robots.txt that means us.
const NAME: &str = "Servergate";
/// RFC 9309 §2.5: at least 500 KiB are read.
const LARGEST: usize = 500 * 1024;
/// More sitemaps than this are not followed.
const MOST_SITEMAPS: usize = 100;
/// A longer delay would mean no copy at all.
const LONGEST_DELAY: f32 = 30.0;

impl Robots {
    /// Reads robots.txt. What cannot be understood forbids nothing (RFC 9309 §2.2).
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..LARGEST).unwrap_or(bytes);
        let Ok(robot) = Robot::new(NAME, bytes) else {
            return Self::default();
        };
        let delay = robot
            .delay
            .filter(|delay| delay.is_finite() && *delay > 0.0);
        Self {
            sitemaps: robot.sitemaps.iter().take(MOST_SITEMAPS).cloned().collect(),
            delay: delay.map(|delay| Duration::from_secs_f32(delay.min(LONGEST_DELAY))),
            rules: Some(robot),
        }
    }

    /// Whether `address` may be asked for.
    pub(crate) fn allows(&self, address: &Address) -> bool {
        let rules = self.rules.as_ref();
        // RFC 9309 §2.2.2: robots.txt itself is always allowed.
        &*address.target == "/robots.txt"
            || rules.is_none_or(|rules| rules.allowed(&address.target))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(text: &str, target: &str) -> bool {
        Robots::read(text.as_bytes()).allows(&Address::new("verein.test", target))
    }

    #[test]
    fn rules_for_us_or_for_all_bind() {
        let text = "User-agent: *\nDisallow: /intern\nAllow: /intern/offen\nCrawl-delay: 2\n\
            Sitemap: https://verein.test/s.xml\n";
        assert!(!allows(text, "/intern/x"));
        assert!(allows(text, "/intern/offen/x"));
        assert!(allows(text, "/"));
        let robots = Robots::read(text.as_bytes());
        assert_eq!(robots.delay, Some(Duration::from_secs(2)));
        assert_eq!(robots.sitemaps, ["https://verein.test/s.xml"]);
        let ours = "User-agent: *\nDisallow: /\n\nUser-agent: servergate\nDisallow: /nur-das\n";
        assert!(allows(ours, "/x"));
        assert!(!allows(ours, "/nur-das"));
        assert!(!allows(
            "User-agent: *\nDisallow: /*?sort=",
            "/list?sort=up"
        ));
        assert!(allows("User-agent: *\nDisallow: /", "/robots.txt"));
    }

    #[test]
    fn nonsense_forbids_nothing() {
        assert!(allows("<html>404</html>", "/x"));
        assert!(allows("", "/x"));
        assert_eq!(Robots::read(b"User-agent: *\nCrawl-delay: inf").delay, None);
        let long = Robots::read(b"User-agent: *\nCrawl-delay: 9999").delay;
        assert_eq!(long, Some(Duration::from_secs(30)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Robots::read(&bytes).allows(&Address::new("verein.test", "/x?y"));
        }
    }
}
