//! `/etc/aliases`: aliases(5) of Sendmail and Postfix, and what Exim and OpenSMTPD add to it. The
//! left sides are recipients at the default domain; where they lead to (people, `:include:` files,
//! pipes) is the primary's business.

use super::Ignored;
use super::collect::Collector;
use super::postfix::logical_lines;

pub(super) fn read(text: &str, out: &mut Collector<'_>) {
    for (line, entry) in logical_lines(text) {
        let Some((name, target)) = divided(entry.trim()) else {
            out.lost(line, "no colon; write `name: where it leads`");
            continue;
        };
        if refuses(target) {
            out.ignore(Ignored::Disabled);
            continue;
        }
        if is_prose(target) {
            let mend = "not an alias: several words without a comma stand behind the colon; write `name: where it leads`";
            out.lost(line, mend);
            continue;
        }
        if name == "*" {
            let mend = "`*` takes everything; set `catch_all` for the domain if that is meant";
            out.lost(line, mend);
            continue;
        }
        out.alias(line, name);
    }
}

/// Name and target. A name may be quoted, then a colon in it does not divide: `"a: b": anna`, and
/// `"a b"@verein.test: anna`. The quotes stay, they make an address of it.
fn divided(entry: &str) -> Option<(&str, &str)> {
    let closed = match entry.strip_prefix('"') {
        Some(rest) => rest.find('"')? + 2,
        None => 0,
    };
    let colon = closed + entry.get(closed..)?.find(':')?;
    let name = entry.get(..colon)?.trim_end();
    let target = entry.get(colon + 1..)?.trim();
    // COMPAT(Sendmail): `"anna@verein.test": x` quotes all of it, and means the address inside.
    let inner = name
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    Some((inner.filter(|it| it.contains('@')).unwrap_or(name), target))
}

/// Whether this is a sentence, as programs write it behind their name when they fail.
fn is_prose(target: &str) -> bool {
    let target = target.split('#').next().unwrap_or_default();
    target.split_whitespace().count() > 1 && !target.contains([',', '"', '@', '|', '/', ':'])
}

/// COMPAT(Exim, OpenSMTPD): such an alias says that nobody is there.
fn refuses(target: &str) -> bool {
    let target = target.trim_start_matches('"');
    target.starts_with(":fail:") || target.starts_with("error:5")
}
