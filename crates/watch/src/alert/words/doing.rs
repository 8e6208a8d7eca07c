//! What was measured and what is done about it, in a sentence each.

use model::{Cause, Effect, Mode, Role, Service, Standing, StateName};

/// What was measured, in words, and never more than that; `code` is what the server answered with.
pub(super) fn means(cause: Cause, code: Option<u16>) -> String {
    let with = |words: &str| match code {
        Some(code) => format!("{words} ({code})"),
        None => words.to_owned(),
    };
    match cause {
        Cause::Application => with("the service answers, and not as it should"),
        Cause::Denied => with("it answers `access denied`") + "; the reason is not known",
        Cause::Overload => with("it turns requests away for the time being"),
        cause => always_means(cause).to_owned(),
    }
}

fn always_means(cause: Cause) -> &'static str {
    match cause {
        Cause::Application | Cause::Denied | Cause::Overload => "it answers, and not as it should",
        Cause::BelowQuorum => "only some places see it failing",
        Cause::Block => "reachable from some networks and not from others",
        Cause::DnsData => "the authoritative data is wrong",
        Cause::DnsDelegation => "the delegation at the parent has changed",
        Cause::DnsServer => "its name servers do not answer as they should",
        Cause::ForeignCertificate => {
            "its certificate is for another name, or its key is not the known one"
        }
        Cause::HoldingPage => "another page stands under its name",
        Cause::Host => "its router reports it unreachable while its neighbours answer",
        Cause::Network => "neither it nor its neighbours nor the routers before it answer",
        Cause::NotMeasured => "nobody measured it in time",
        Cause::Observer => "we ourselves cannot see",
        Cause::Path => "some places reach it, some do not",
        Cause::Service => "the address lives, the service on it does not answer",
        Cause::Silent => "the address answers nothing; the reason is not known",
        Cause::Tls => "no secure connection that can be trusted comes about",
        Cause::Unknown => "the reason is not known",
        Cause::Unstable => "it fails and answers in turn; the reason is not known",
    }
}

pub(super) fn doing(standing: &Standing) -> String {
    if let Some((who, since)) = &standing.held_by {
        let role = standing.role;
        return format!(
            "Servergate is {role}, as ordered by {} since {since}.",
            who.0
        );
    }
    match (standing.mode, standing.would, standing.role) {
        (Mode::Observe, Some(role), _) => {
            format!("Servergate only observes: it would be {role} now, and moves nothing.")
        }
        (Mode::Observe, None, _) => "Servergate only observes and moves nothing.".to_owned(),
        (Mode::Act, _, Role::Acting) => acting(standing),
        (Mode::Act, _, Role::Returning) if standing.state == StateName::Supporting => {
            match standing.service.service {
                Service::Mail => "Servergate passes mail on to it, keeps what it does not take, \
                                  and delivers that while it answers."
                    .to_owned(),
                _ => "Servergate stands in front of it: it is asked first, and the copy answers \
                      where it fails."
                    .to_owned(),
            }
        }
        (Mode::Act, _, Role::Returning) => match standing.service.service {
            Service::Mail => {
                "Servergate passes new mail on to it; what was kept follows.".to_owned()
            }
            _ => "Servergate hands it back.".to_owned(),
        },
        (Mode::Act, _, Role::Standby) => match standing.effect {
            Some(Effect::Ask) => "Servergate waits for a person's answer.".to_owned(),
            Some(Effect::Withhold) => "Servergate goes on showing the primary's own notice, keeps \
                 its copy off and waits for a person's answer."
                .to_owned(),
            Some(Effect::Say) | None => "Servergate moves nothing for this cause.".to_owned(),
            Some(Effect::Support) => "Servergate helps in front of it.".to_owned(),
            Some(Effect::RelayFirst) => "Servergate does not stand in front of it yet.".to_owned(),
            Some(Effect::ServeOn) => "Servergate serves its zones on.".to_owned(),
            Some(Effect::TakeOver) => "Servergate has not taken it over yet.".to_owned(),
        },
    }
}

fn acting(standing: &Standing) -> String {
    let since = standing.since;
    let passes = match standing.effect {
        Some(Effect::Support) => true,
        Some(Effect::RelayFirst) => standing.relay,
        _ => false,
    };
    match standing.service.service {
        Service::Mail if passes => format!(
            "Servergate passes mail on to it since {since}, and keeps what it does not take."
        ),
        Service::Mail => format!(
            "Servergate takes mail and keeps it since {since}: nothing that was taken is lost, all \
             of it is delivered later."
        ),
        _ => format!("Servergate serves it since {since}."),
    }
}
