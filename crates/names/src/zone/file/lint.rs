//! What `named-checkzone` refuses in a zone whose every line can be read.

use std::collections::{BTreeMap, BTreeSet};

use super::lex::Problem;
use crate::wire::{MAX_NAME, Name, code, is_at_or_below, lower_into};
use crate::zone::{Found, Labels, Record, Records, Zone};

/// All of it, in the order of the lines; `lines` are those of the records.
pub(super) fn lint(
    apex: &Name,
    records: &Records,
    lines: &[usize],
    zone: Option<&Zone>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut soas = 0;
    let mut servers = 0;
    let mut owners: BTreeMap<Name, Vec<(usize, Record<'_>)>> = BTreeMap::new();
    for (record, line) in records.iter().zip(lines.iter().copied()) {
        let owner = Name::lowered(record.owner);
        if !is_at_or_below(owner.as_wire(), apex.as_wire()) {
            problems.push((line, format!("{owner} lies outside the zone {apex}")));
            continue;
        }
        let at_apex = owner == *apex;
        match record.rtype {
            code::SOA if !at_apex => {
                problems.push((
                    line,
                    format!("a SOA record at {owner}, which is not {apex}"),
                ));
            }
            code::SOA => {
                soas += 1;
                if soas > 1 {
                    problems.push((line, "a second SOA record".to_owned()));
                }
            }
            code::NS if at_apex => servers += 1,
            _ => {}
        }
        owners.entry(owner).or_default().push((line, record));
    }
    if soas == 0 {
        problems.push((0, format!("the zone {apex} has no SOA record")));
    }
    if servers == 0 {
        problems.push((0, format!("the zone {apex} has no NS record")));
    }
    for (owner, records) in &owners {
        alone(owner, records, &mut problems);
        for (line, record) in records
            .iter()
            .filter(|(_, record)| record.rtype == code::NS)
        {
            let wrong = zone.and_then(|zone| server(zone, owner, record.data));
            problems.extend(wrong.map(|what| (*line, what)));
        }
    }
    problems.sort();
    problems.dedup();
    problems
}

/// RFC 1034 §3.6.2, RFC 2181 §10.1: beside a CNAME is nothing, but for its signature and its place
/// in the chain of denials (RFC 4035 §2.5); RFC 6672 §2.4: one DNAME.
fn alone(owner: &Name, records: &[(usize, Record<'_>)], problems: &mut Vec<Problem>) {
    for single in [code::CNAME, code::DNAME] {
        let mut all = BTreeSet::new();
        for (line, record) in records.iter().filter(|(_, record)| record.rtype == single) {
            all.insert(record.data.to_ascii_lowercase());
            if all.len() > 1 {
                let word = if single == code::CNAME {
                    "CNAME"
                } else {
                    "DNAME"
                };
                problems.push((*line, format!("{owner} has more than one {word} record")));
            }
        }
    }
    let alias = records
        .iter()
        .find(|(_, record)| record.rtype == code::CNAME);
    let other = records.iter().find(|(_, record)| {
        !matches!(
            record.rtype,
            code::CNAME | code::RRSIG | code::NSEC | code::KEY
        )
    });
    if let (Some((alias, _)), Some((line, _))) = (alias, other) {
        let what = format!("{owner} has a CNAME record (line {alias}) and other data");
        problems.push((*line, what));
    }
}

/// What is wrong with a name server of `owner`, if it lies in the zone.
fn server(zone: &Zone, owner: &Name, data: &[u8]) -> Option<String> {
    let mut lower = [0; MAX_NAME];
    let len = lower_into(data, &mut lower)?;
    let target = Name::from_lower(lower.get(..len)?);
    if !is_at_or_below(target.as_wire(), zone.apex().as_wire()) {
        return None;
    }
    let has = |rtype| {
        let node = zone.node(target.as_wire());
        node.is_some_and(|node| node.get(rtype).is_some())
    };
    let address = has(code::A) || has(code::AAAA);
    match zone.walk(&Labels::of(target.as_wire())) {
        // Another delegation answers for it.
        Found::Cut { owner: cut, .. } if cut != owner.as_wire() => None,
        Found::Dname { .. } => Some(format!("the name server {target} lies below a DNAME")),
        Found::Wildcard { node, .. }
            if node.get(code::A).is_some() || node.get(code::AAAA).is_some() =>
        {
            None
        }
        _ if has(code::CNAME) => Some(format!("the name server {target} is an alias (CNAME)")),
        _ if !address => Some(format!(
            "the name server {target} has no address (A or AAAA)"
        )),
        _ => None,
    }
}
