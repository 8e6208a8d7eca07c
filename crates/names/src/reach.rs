//! How long it takes until visitors follow, computed from what resolvers really get from each
//! name server in the delegation. Pure; asked by `ready` and for the words of alerts.
//!
//! A resolver asks any of a zone's name servers and keeps the answer for its TTL (RFC 1035
//! §3.2.1, RFC 2308 §5 for what is not there). Ours names the standby with a TTL of 5 s. Another
//! one that lives goes on naming the dark address, with its own TTL.

use crate::wire::Name;

/// One name server in the delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: Name,
    /// Whether every address of it is ours.
    pub ours: bool,
    /// The longest TTL with which it answers for the steered names, in seconds; `None` where it
    /// did not answer.
    pub ttl: Option<u32>,
}

/// What the servers of a delegation make of steering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// So many are ours.
    pub ours: usize,
    /// Of so many.
    pub all: usize,
    /// The longest TTL that another one gives; `None` if one of them did not say.
    pub longest: Option<u32>,
}

/// Sums a delegation up.
pub fn reach(servers: &[Server]) -> Reach {
    let others = servers.iter().filter(|server| !server.ours);
    let ttls: Option<Vec<u32>> = others.clone().map(|server| server.ttl).collect();
    Reach {
        ours: servers.len() - others.count(),
        all: servers.len(),
        longest: ttls.map(|ttls| ttls.into_iter().max().unwrap_or_default()),
    }
}

impl Reach {
    /// Whether everybody asks us.
    pub fn is_whole(&self) -> bool {
        self.all > 0 && self.ours == self.all
    }

    /// How long it takes, for whom: one sentence without its stop. `fastest` is what it takes for
    /// who asks us, in seconds.
    pub fn words(&self, fastest: u64) -> String {
        let Self { ours, all, .. } = *self;
        let at_most = format!("at most {fastest} s after the last good page");
        if all == 0 {
            return "the delegation names no name server, so nothing can be steered".to_owned();
        }
        if ours == 0 {
            return format!(
                "none of the {all} name servers in the delegation is ours: no resolver asks us, so \
                 nothing can be steered"
            );
        }
        if ours == all {
            return match all {
                1 => format!("{at_most}; the one name server in the delegation is ours"),
                _ => format!("{at_most}; all {all} name servers in the delegation are ours"),
            };
        }
        let kept = match self.longest {
            Some(ttl) => format!("up to {}", span(ttl)),
            None => "for its TTL, which could not be looked up,".to_owned(),
        };
        let share = share(all - ours, all);
        format!(
            "with {ours} of {all} name servers ours: {at_most} for who asked ours; while another \
             one lives and only the web server is dark, who asked that one keeps the dark address \
             {kept} each time: {share} of the visitors; when that one is dark too, {kept} once"
        )
    }
}

/// What a change by hand takes, once it is made: `longest` is the TTL that is given until then.
pub fn by_hand(longest: Option<u32>) -> String {
    match longest {
        Some(ttl) => format!(
            "names are changed by hand: visitors follow up to {} after you have changed them, as \
             long as resolvers keep the old answer",
            span(ttl)
        ),
        None => "names are changed by hand: visitors follow when you have changed them and \
                 resolvers have forgotten the old answer, whose TTL could not be looked up"
            .to_owned(),
    }
}

/// `5 s`, `3600 s (1 h)`.
fn span(seconds: u32) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 if !seconds.is_multiple_of(3_600) => {
            format!("{seconds} s ({} min)", seconds / 60)
        }
        _ => format!("{seconds} s ({} h)", seconds / 3_600),
    }
}

/// The share in words; resolvers choose as they like, so it is never exact.
fn share(part: usize, all: usize) -> String {
    match (part, all) {
        (part, all) if part * 2 == all => "about half".to_owned(),
        (part, all) if part * 3 == all => "about a third".to_owned(),
        (part, all) if part * 3 == all * 2 => "about two thirds".to_owned(),
        (part, all) if part * 4 == all => "about a quarter".to_owned(),
        (part, all) if part * 4 == all * 3 => "about three quarters".to_owned(),
        (part, all) => format!("about {part} in {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(list: &[(bool, Option<u32>)]) -> Vec<Server> {
        let server = |(nth, (ours, ttl)): (usize, &(bool, Option<u32>))| Server {
            name: format!("ns{nth}.verein.test").parse().expect("a name"),
            ours: *ours,
            ttl: *ttl,
        };
        list.iter().enumerate().map(server).collect()
    }

    #[test]
    fn times_are_of_what_resolvers_really_get() {
        const OURS: (bool, Option<u32>) = (true, Some(5));
        let alive = |ttl| (false, Some(ttl));
        type Delegation<'a> = &'a [(bool, Option<u32>)];
        let table: [(Delegation<'_>, &str); 9] = [
            (
                &[],
                "the delegation names no name server, so nothing can be steered",
            ),
            (
                &[OURS],
                "at most 27 s after the last good page; the one name server in the delegation is ours",
            ),
            (
                &[OURS, OURS],
                "at most 27 s after the last good page; all 2 name servers in the delegation are ours",
            ),
            (
                &[alive(3_600), alive(60)],
                "none of the 2 name servers in the delegation is ours: no resolver asks us, so nothing can be steered",
            ),
            (
                &[OURS, alive(3_600)],
                "with 1 of 2 name servers ours: at most 27 s after the last good page for who asked ours; while another one lives and only the web server is dark, who asked that one keeps the dark address up to 3600 s (1 h) each time: about half of the visitors; when that one is dark too, up to 3600 s (1 h) once",
            ),
            (
                &[OURS, OURS, alive(300)],
                "with 2 of 3 name servers ours: at most 27 s after the last good page for who asked ours; while another one lives and only the web server is dark, who asked that one keeps the dark address up to 300 s (5 min) each time: about a third of the visitors; when that one is dark too, up to 300 s (5 min) once",
            ),
            (
                &[OURS, alive(60), alive(86_400)],
                "with 1 of 3 name servers ours: at most 27 s after the last good page for who asked ours; while another one lives and only the web server is dark, who asked that one keeps the dark address up to 86400 s (24 h) each time: about two thirds of the visitors; when that one is dark too, up to 86400 s (24 h) once",
            ),
            (
                &[OURS, alive(30), (false, None)],
                "with 1 of 3 name servers ours: at most 27 s after the last good page for who asked ours; while another one lives and only the web server is dark, who asked that one keeps the dark address for its TTL, which could not be looked up, each time: about two thirds of the visitors; when that one is dark too, for its TTL, which could not be looked up, once",
            ),
            (
                &[OURS, OURS, OURS, OURS, alive(0)],
                "with 4 of 5 name servers ours: at most 27 s after the last good page for who asked ours; while another one lives and only the web server is dark, who asked that one keeps the dark address up to 0 s each time: about 1 in 5 of the visitors; when that one is dark too, up to 0 s once",
            ),
        ];
        for (list, words) in table {
            assert_eq!(reach(&servers(list)).words(27), words);
        }
    }

    #[test]
    fn a_change_by_hand_takes_as_long_as_the_old_answer_is_kept() {
        assert!(by_hand(Some(3_600)).contains("up to 3600 s (1 h) after you have changed them"));
        assert!(by_hand(None).contains("could not be looked up"));
    }
}
