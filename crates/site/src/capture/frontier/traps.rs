//! What makes a crawl endless: pages out of one template, paths that repeat, chains.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::Task;
use crate::wire::address::Address;

/// A path has at most so many segments, and the same segment at most so often.
const SEGMENTS: usize = 24;
const SAME_SEGMENT: usize = 3;

/// What addresses have in common that one template makes.
pub(super) struct Pattern {
    pub(super) hash: u64,
    pub(super) most: usize,
}

/// Numbers in the path become one sign; of the query only the keys count, in any order.
pub(super) fn pattern(address: &Address) -> Pattern {
    let mut keys: Vec<&str> = address
        .query()
        .map(|query| {
            query
                .split('&')
                .map(|pair| pair.split('=').next().unwrap_or(pair))
                .collect()
        })
        .unwrap_or_default();
    keys.sort_unstable();
    let mut hasher = DefaultHasher::new();
    address.host.hash(&mut hasher);
    let mut in_number = false;
    for letter in address.path().chars() {
        if letter.is_ascii_digit() {
            in_number = true;
            continue;
        }
        if std::mem::take(&mut in_number) {
            '0'.hash(&mut hasher);
        }
        letter.hash(&mut hasher);
    }
    in_number.hash(&mut hasher);
    // Filters can be combined without end: all combinations of one page are one pattern.
    if keys.len() < 3 {
        keys.hash(&mut hasher);
    }
    let lower = address.path().to_ascii_lowercase();
    let most = match keys.len() {
        _ if CALENDARS.iter().any(|word| lower.contains(word)) => 400,
        0 | 1 => 5_000,
        _ => 2_000,
    };
    Pattern {
        hash: hasher.finish(),
        most,
    }
}

const CALENDARS: &[&str] = &[
    "calendar",
    "kalender",
    "calendrier",
    "calendario",
    "kalenteri",
];

/// The chain that a link from `parent` to an address of `pattern` makes.
pub(super) fn chain(parent: &Task, of: &Pattern) -> u16 {
    match parent.pattern == of.hash {
        true => parent.chain.saturating_add(1),
        false => 0,
    }
}

/// `/a/b/a/b/a/b/a/b`: a relative link on a page that answers everywhere.
pub(super) fn repeats(path: &str) -> bool {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    if segments.len() > SEGMENTS {
        return true;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    segments.iter().any(|segment| {
        let count = counts.entry(segment).or_default();
        *count += 1;
        *count > SAME_SEGMENT
    })
}

/// Path segments that open a visit instead of a page.
const SEGMENTS_OUT: &[&str] = &[
    "admin",
    "administrator",
    "log-in",
    "log-out",
    "login",
    "login.php",
    "logoff",
    "logout",
    "logout.php",
    "sign-in",
    "sign-out",
    "signin",
    "signout",
    "user_login",
    "wp-admin",
    "wp-login.php",
    "xmlrpc.php",
];

/// Query keys that change something, answer to somebody, or turn one page into many.
const KEYS_OUT: &[&str] = &[
    "_nonce",
    "_wpnonce",
    "add-to-cart",
    "add_to_wishlist",
    "diff",
    "eventdisplay",
    "ical",
    "nonce",
    "oldid",
    "outlook-ical",
    "redlink",
    "replytocom",
    "token",
    "tribe-bar-date",
    "veaction",
];

/// Actions of wikis and boards that are no pages.
const ACTIONS_OUT: &[&str] = &[
    "delete",
    "edit",
    "history",
    "info",
    "login",
    "logout",
    "lostpassword",
    "post",
    "quote",
    "raw",
    "register",
    "reply",
    "revisions",
    "sendpassword",
    "submit",
    "unwatch",
    "watch",
];

/// Whether `address` is left out, by the configuration's prefixes or by what everybody leaves out.
pub(crate) fn is_excluded(address: &Address, prefixes: &[String]) -> bool {
    let path = address.path();
    if prefixes
        .iter()
        .any(|prefix| path.starts_with(prefix.as_str()))
    {
        return true;
    }
    let mut segments = path.split('/').map(str::to_ascii_lowercase);
    if segments.any(|segment| SEGMENTS_OUT.contains(&segment.as_str())) {
        return true;
    }
    let query = address.query().unwrap_or_default().to_ascii_lowercase();
    query.split('&').any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        KEYS_OUT.contains(&key)
            || matches!(key, "action" | "do" | "mode") && ACTIONS_OUT.contains(&value)
    })
}
