//! Waiting for something that happens in another program. The one place of the project that
//! may pause: it looks again and again until a deadline, and says what it waited for.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// How long is waited at the most for what has to come: never a measure of how fast it comes, and
/// long enough for a machine that does much else. Where a time is what is shown, the logs of those
/// who lived through it show it, beside how late the machine itself is.
pub const CEILING: Duration = Duration::from_secs(180);

const PAUSE: Duration = Duration::from_millis(5);
/// Between two looks that cost something, such as a command that is started for each.
const REST: Duration = Duration::from_millis(100);

/// Waits until `probe` is true, at most `within`; the error says what was waited for.
pub fn until(what: &str, within: Duration, mut probe: impl FnMut() -> bool) -> Result<()> {
    until_some(what, within, || Ok(probe().then_some(())))
}

/// Waits until `probe` finds something, at most `within`. An error of the probe ends the wait.
pub fn until_some<T>(
    what: &str,
    within: Duration,
    probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    look_again(what, within, PAUSE, probe)
}

/// Like [`until_some`], and looks ten times a second only: for looks that cost something.
pub fn until_asked<T>(
    what: &str,
    within: Duration,
    probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    look_again(what, within, REST, probe)
}

fn look_again<T>(
    what: &str,
    within: Duration,
    pause: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(anyhow!(
                "waited {:.1} s in vain: {what}",
                within.as_secs_f32()
            ));
        }
        sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vain_wait_says_what_it_waited_for() {
        let error = until("the sun", Duration::ZERO, || false).unwrap_err();
        assert!(error.to_string().contains("the sun"), "{error}");
    }

    #[test]
    fn what_is_found_comes_back() {
        let mut left = 3;
        let found = until_some("three looks", Duration::from_secs(5), || {
            left -= 1;
            Ok((left == 0).then_some("there"))
        });
        assert_eq!(found.unwrap(), "there");
    }
}
