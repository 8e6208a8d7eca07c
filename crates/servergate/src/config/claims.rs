//! What organisations claim: domains, mail domains, zones, host names, steered names. Each has one
//! owner, whatever its spelling and whichever file it stands in.

use host::config::{Fields, Place, Problem};

use super::Organisation;

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Domain,
    MailDomain,
    Zone,
    Host,
    Steered,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Domain => "as a domain",
            Self::MailDomain => "as a domain of its mail",
            Self::Zone => "as a zone",
            Self::Host => "as a host name",
            Self::Steered => "as a steered name",
        }
    }
}

/// One name that an organisation has for itself.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    kind: Kind,
    /// In the form in which names are compared.
    name: String,
    place: Place,
}

/// Everything that one organisation's table claims. What is no name at all was noted by its part.
pub(super) fn of(fields: &Fields<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut add = |kind, texts: Vec<(String, Place)>| {
        claims.extend(texts.into_iter().map(|(text, place)| Claim {
            kind,
            name: form(&text),
            place,
        }));
    };
    add(Kind::Domain, fields.texts("domains"));
    if let Some(mail) = fields.peek("mail") {
        let named = mail.texts("domains");
        let is_named = !named.is_empty();
        add(Kind::MailDomain, named);
        if !is_named {
            add(Kind::MailDomain, fields.texts("domains"));
        }
    }
    if let Some(names) = fields.peek("names") {
        add(Kind::Zone, names.texts("zones"));
        if let Some(steer) = names.peek("steer") {
            add(Kind::Zone, steer.texts("zone"));
            add(Kind::Steered, steer.texts("names"));
        }
    }
    if let Some(web) = fields.peek("web") {
        add(Kind::Host, web.texts("hosts"));
    }
    if let Some(bulletin) = fields.peek("bulletin") {
        add(Kind::Host, bulletin.texts("host"));
    }
    claims
}

/// RFC 4343 §3.1: case makes no difference, nor does the dot at the end; RFC 5890 §2.3.2.1: nor
/// does it whether a label is written in Unicode.
fn form(name: &str) -> String {
    mail::recipients::Address::new("", name.trim(), mail::recipients::Case::Fold)
        .domain()
        .to_owned()
}

/// What is claimed twice, each with both places and the mend.
pub(super) fn conflicts(organisations: &[Organisation]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut note = |place: &Place, message: String, warning| {
        let problem = Problem::at(place, message, warning);
        // A domain that is one of mail too is one mistake.
        let said = |one: &Problem| {
            (&one.file, one.line, one.column) == (&problem.file, problem.line, problem.column)
        };
        if !problems.iter().any(said) {
            problems.push(problem);
        }
    };
    let all = || {
        let each = organisations.iter().enumerate();
        each.flat_map(|(index, one)| one.claims.iter().map(move |claim| (index, one, claim)))
    };
    // The first one of each kind and name is its owner.
    let mut owners = std::collections::BTreeMap::new();
    for (index, organisation, claim) in all() {
        let key = (claim.kind as u8, claim.name.as_str());
        let Some((owner, first, there)) = owners.get(&key).copied() else {
            owners.insert(key, (index, organisation, &claim.place));
            continue;
        };
        let (name, words) = (&claim.name, claim.kind.words());
        if owner == index {
            let message =
                format!("{name} stands here twice {words} (also at {there}); take one out");
            note(&claim.place, message, true);
        } else {
            let message = format!(
                "{name} belongs to {} already, {words} ({there}); it can have one owner: take it out of one of the two",
                named(first)
            );
            note(&claim.place, message, false);
        }
    }
    for (index, organisation, steered) in all().filter(|(_, _, one)| one.kind == Kind::Steered) {
        for (other, owner, claim) in all().filter(|(other, _, _)| *other != index) {
            match claim.kind {
                Kind::Host if claim.name == steered.name => {
                    let message = format!(
                        "{} is a host name of {} ({}), and would be led here when {} is dark; let its owner steer it",
                        steered.name,
                        named(owner),
                        claim.place,
                        named(organisation)
                    );
                    note(&steered.place, message, true);
                }
                Kind::Zone if hides(organisation, steered, claim) => {
                    let message = format!(
                        "{} lies in the zone {} of {} ({}), which answers for it: steering it here would change nothing; take it out here, or let that organisation steer it",
                        steered.name,
                        claim.name,
                        named(owner),
                        claim.place
                    );
                    note(&steered.place, message, false);
                }
                _ => {}
            }
            let _ = other;
        }
    }
    problems
}

/// Whether another's zone answers for a name that is steered in a zone of `organisation`: a zone
/// below another one is usual, and takes what lies in it.
fn hides(organisation: &Organisation, steered: &Claim, zone: &Claim) -> bool {
    let own = organisation.claims.iter();
    let own = own
        .filter(|claim| claim.kind == Kind::Zone && is_within(&steered.name, &claim.name))
        .map(|claim| claim.name.len())
        .max();
    is_within(&steered.name, &zone.name)
        && organisation.overlays()
        && own.is_some_and(|own| own < zone.name.len())
}

fn is_within(name: &str, zone: &str) -> bool {
    name == zone
        || name
            .strip_suffix(zone)
            .is_some_and(|rest| rest.ends_with('.'))
}

fn named(organisation: &Organisation) -> String {
    format!("\"{}\"", organisation.bulletin.name)
}

#[cfg(test)]
mod tests;
