//! `servergate outage list|show|explain|replay`: what the record tells.

use anyhow::{Context, Result, bail};
use model::outage::{Outage, Outages};
use model::{
    Companion, CompanionKind, Fact, Finding, Observation, OutageId, Record, Reply, Role, Sees,
    ServiceId, Timestamp,
};

use super::show::{self, span};
use crate::config::Config;
use crate::decide;
use crate::record;

/// One line an outage.
pub(crate) async fn list(config: &Config, json: bool, now: Timestamp) -> Result<()> {
    let outages = read(config).await?;
    if json {
        println!("{}", serde_json::to_string(outages.all())?);
        return Ok(());
    }
    if outages.all().is_empty() {
        println!("The record knows of no outage.");
        return Ok(());
    }
    let row = |outage: &Outage| {
        let dark = span(outage.dark_for(now));
        let acted = outage
            .recovery_time()
            .map_or("not taken over".to_owned(), span);
        let causes: Vec<_> = outage
            .causes
            .iter()
            .map(|(_, cause)| cause.to_string())
            .collect();
        let end = outage
            .ended
            .map_or("running".to_owned(), |ended| ended.to_string());
        vec![outage.id.to_string(), causes.join(", "), dark, acted, end]
    };
    let rows: Vec<_> = outages.all().iter().map(row).collect();
    show::table(
        &["OUTAGE", "CAUSE", "DARK FOR", "TAKEN OVER AFTER", "ENDED"],
        &rows,
    );
    Ok(())
}

/// Times and figures of one outage; with `explain` also the evidence and every decision.
pub(crate) async fn one(
    config: &Config,
    id: &str,
    explain: bool,
    json: bool,
    now: Timestamp,
) -> Result<()> {
    let outages = read(config).await?;
    let outage = outages.find(id).with_context(|| {
        format!("the record knows of no outage called `{id}`; `servergate outage list` shows all")
    })?;
    if json {
        println!("{}", serde_json::to_string(outage)?);
        return Ok(());
    }
    print_figures(outage, now);
    if explain {
        println!();
        println!("Evidence");
        for observation in &outage.verdict.evidence {
            println!("  {}", evidence(observation));
        }
        println!();
        println!("Events");
        for record in &outage.events {
            if let Some(words) = event(&record.fact) {
                println!("  {}  {words}", record.at);
            }
        }
    }
    Ok(())
}

fn print_figures(outage: &Outage, now: Timestamp) {
    let at = |time: Option<Timestamp>| time.map_or("–".to_owned(), |time| time.to_string());
    println!("{}", outage.id);
    println!("  last good observation   {}", at(outage.last_good));
    println!("  first failed            {}", outage.since);
    println!("  verdict                 {}", outage.noticed);
    let places = (outage.verdict.failing(), outage.verdict.voting());
    println!(
        "  measured from           {} of {} places",
        places.0, places.1
    );
    for (time, cause) in &outage.causes {
        println!("  cause                   {cause} (since {time})");
    }
    println!("  taken over              {}", at(outage.acting));
    println!("  primary reachable       {}", at(outage.back));
    println!("  ended                   {}", at(outage.ended));
    println!("  dark for                {}", span(outage.dark_for(now)));
    println!("  of that not covered     {}", span(outage.uncovered(now)));
    match outage.recovery_time() {
        Some(time) => println!("  recovery time           {}", span(time)),
        None => println!("  recovery time           not taken over"),
    }
}

/// One observation in a line: place, target, finding, phases with times, companions.
fn evidence(observation: &Observation) -> String {
    let finding = match &observation.finding {
        Finding::Good { .. } => "good".to_owned(),
        Finding::Failed(failure) => failure.to_string(),
    };
    let phase = |time: &model::PhaseTime| {
        format!(
            "{} {:.1} ms",
            time.phase,
            std::time::Duration::from_micros(time.micros).as_secs_f64() * 1000.0
        )
    };
    let phases: Vec<_> = observation.phases.iter().map(phase).collect();
    let mut beside = vec![sees(observation.sees).to_owned()];
    beside.extend(observation.companions.iter().map(companion));
    format!(
        "{}  {}  {}: {finding} [{}]; {}",
        observation.at,
        observation.place,
        observation.target.name,
        phases.join(", "),
        beside.join(", "),
    )
}

fn sees(sees: Sees) -> &'static str {
    match sees {
        Sees::References => "our references answer",
        Sees::Nothing => "our references are silent",
        Sees::NotConfigured => "no references configured",
        Sees::NotAsked => "references not asked",
    }
}

fn companion(companion: &Companion) -> String {
    let whom = match companion.kind {
        CompanionKind::Echo => "echo".to_owned(),
        CompanionKind::Port(port) => format!("port {port}"),
        CompanionKind::Neighbour(address) => format!("neighbour {address}"),
        CompanionKind::Router(address) => format!("router {address}"),
    };
    let reply = match companion.reply {
        Reply::Answered => "answers",
        Reply::Refused => "refuses",
        Reply::Silent => "is silent",
        Reply::Unreachable => "is reported unreachable",
        Reply::NotAsked => "was not asked",
    };
    format!("{whom} {reply}")
}

/// What a fact reads like in a timeline; `None` for what only machines need.
pub(crate) fn event(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::Verdict(verdict) => {
            let cause = verdict
                .cause
                .map_or(String::new(), |cause| format!(", cause {cause}"));
            let (failing, voting) = (verdict.failing(), verdict.voting());
            format!(
                "verdict: {:?}{cause} ({failing} of {voting} places see it failing)",
                verdict.condition
            )
        }
        Fact::Standing(standing) => {
            format!(
                "standing: {:?}, role {} (epoch {})",
                standing.state, standing.role, standing.epoch.0
            )
        }
        Fact::Would { role, .. } => format!("observing: would take the role {role}"),
        Fact::Order(order) => format!("order: {} by {}", order.kind, order.by.0),
        Fact::Asked(question) => format!("asked ({}): {question}", question.id),
        Fact::Answered(answer) => {
            let word = if answer.yes { "yes" } else { "no" };
            format!("answered ({}): {word}, by {}", answer.question, answer.by.0)
        }
        Fact::OutageBegan { .. } => "outage began".to_owned(),
        Fact::OutageEnded { .. } => "outage ended".to_owned(),
        Fact::HandedBack { .. } => "all that was held is handed back".to_owned(),
        Fact::HandbackPaused { .. } => "hand-back paused: the primary refuses".to_owned(),
        Fact::Alerted {
            recovered: false, ..
        } => "alert sent".to_owned(),
        Fact::Alerted {
            recovered: true, ..
        } => "recovery alert sent".to_owned(),
        _ => return None,
    })
}

/// Decides the recorded days again with today's configuration, and says where it differs.
pub(crate) async fn replay(config: &Config, json: bool) -> Result<()> {
    let records = record::wherever(&config.listen.admin, &config.standby.data).await?;
    let replayed = decide::replay(config.decided(), &records);
    let (then, now) = (roles(&records), roles(&replayed));
    if json {
        let reply = serde_json::json!({ "same": then == now, "recorded": then, "replayed": now });
        println!("{reply}");
    } else if then == now {
        println!(
            "{} records decided again: the same {} changes of role.",
            records.len(),
            now.len()
        );
    } else {
        println!("recorded:");
        then.iter()
            .for_each(|change| println!("  {} {} {:?}", change.0, change.1, change.2));
        println!("decided again with today's configuration:");
        now.iter()
            .for_each(|change| println!("  {} {} {:?}", change.0, change.1, change.2));
        bail!(crate::exit::Said(crate::exit::Fault::Failed));
    }
    Ok(())
}

/// Every change of role, in order, with the outage it belongs to.
fn roles(records: &[Record]) -> Vec<(ServiceId, Role, Option<OutageId>)> {
    let mut changes: Vec<(ServiceId, Role, Option<OutageId>)> = Vec::new();
    for record in records {
        let Fact::Standing(standing) = &record.fact else {
            continue;
        };
        let before = changes
            .iter()
            .rev()
            .find(|change| change.0 == standing.service);
        if before.map_or(Role::Standby, |change| change.1) != standing.role {
            changes.push((
                standing.service.clone(),
                standing.role,
                standing.outage.clone(),
            ));
        }
    }
    changes
}

async fn read(config: &Config) -> Result<Outages> {
    let records = record::wherever(&config.listen.admin, &config.standby.data).await?;
    Ok(Outages::of(&records))
}
