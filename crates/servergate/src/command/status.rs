//! `servergate status`: standings, questions, last observations, what is held.

use anyhow::Result;
use model::{Finding, Observation, Question, Standing, Topic};
use owo_colors::Style;
use serde_json::Value;

use super::show;
use crate::config::Config;
use crate::protocol::{self, Request};

/// Shows what the running standby sees and does.
pub(crate) async fn status(config: &Config, json: bool) -> Result<()> {
    let reply = protocol::ask(&config.listen.admin, &Request::Status).await?;
    if json {
        println!("{reply}");
        return Ok(());
    }
    let standings: Vec<Standing> = serde_json::from_value(reply["standings"].clone())?;
    println!(
        "{}, mode {}, up since {}",
        text(&reply["place"]),
        text(&reply["mode"]),
        text(&reply["started"])
    );
    if let Some(why) = reply["store"].as_str() {
        let words = format!("nothing new is taken: {why}");
        println!("{}", show::paint(&words, Style::new().red().bold()));
    }
    if let Some(words) = undurable(&reply["undurable"]) {
        println!("{}", show::paint(&words, Style::new().red().bold()));
    }
    if let Some(words) = sealing(reply["sealing"].as_str()) {
        println!("{}", show::paint(words, Style::new().yellow().bold()));
    }
    print_restarts(&reply);
    if let Some(since) = reply["alerts"]["failing_since"].as_str() {
        let error = reply["alerts"]["error"].as_str().unwrap_or_default();
        let words = format!("alerts are not delivered since {since}: {error}");
        println!("{}", show::paint(&words, Style::new().red().bold()));
    }
    println!();
    show::table(
        &["SERVICE", "ROLE", "SINCE", "MEASURED", "CAUSE", "HELD"],
        &rows(&standings),
    );
    for standing in &standings {
        print_question(standing, &reply["said"]);
        print_doubt(standing);
    }
    print_observations(&reply)?;
    print_held(&reply);
    Ok(())
}

/// What holds, and would be forgotten by a restart.
fn undurable(reply: &Value) -> Option<String> {
    let since = reply["since"].as_str()?;
    let (standings, records) = (&reply["standings"], &reply["records"]);
    let why = reply["why"].as_str().unwrap_or_default();
    Some(format!(
        "not durable since {since} ({why}): {standings} standings and {records} entries of the record are in \
         memory only, hold all the same, and are written when the disk takes them"
    ))
}

fn rows(standings: &[Standing]) -> Vec<Vec<String>> {
    let row = |standing: &Standing| {
        let role = match standing.would {
            Some(would) => format!("{} (would be {would})", show::role(standing.role)),
            None => show::role(standing.role),
        };
        let held = standing
            .held_by
            .as_ref()
            .map_or(String::new(), |(by, at)| format!("by {} since {at}", by.0));
        vec![
            standing.service.to_string(),
            role,
            standing.since.to_string(),
            show::condition(standing.condition()),
            standing
                .cause()
                .map_or(String::new(), |cause| cause.to_string()),
            held,
        ]
    };
    standings.iter().map(row).collect()
}

/// Work that broke by a mistake of ours and was begun again.
fn print_restarts(reply: &Value) {
    let Some(restarts) = reply["restarts"].as_object().filter(|all| !all.is_empty()) else {
        return;
    };
    let told: Vec<_> = restarts
        .iter()
        .map(|(name, times)| format!("{name} ({times})"))
        .collect();
    let words = format!(
        "broke and was begun again, see the log: {}",
        told.join(", ")
    );
    println!("{}", show::paint(&words, Style::new().red().bold()));
}

/// Why a person would be asked whatever is measured, where nothing asks yet.
fn print_doubt(standing: &Standing) {
    if let Some(doubt) = standing.doubt.filter(|_| standing.question.is_none()) {
        let words = format!(
            "{}: {doubt}; a person would be asked first",
            standing.service
        );
        println!("{}", show::paint(&words, Style::new().yellow()));
    }
}

/// What a person should know of what is about people; nothing while it is open.
fn sealing(state: Option<&str>) -> Option<&'static str> {
    match state? {
        "locked" => Some(
            "locked: mail is taken and nothing is handed back, until `servergate unlock` opens what is about people",
        ),
        "not-set-up" => Some(
            "no passphrase was chosen: mail cannot be kept before `servergate unlock` was run once",
        ),
        "opening" => Some("what is about people is being opened"),
        _ => None,
    }
}

/// The question that waits, what the primary said, and how to answer it.
pub(crate) fn print_question(standing: &Standing, said: &Value) {
    if let Some(question) = &standing.question {
        println!();
        println!(
            "{} {question}",
            show::paint("?", Style::new().yellow().bold())
        );
        print_said(question, said);
        println!("  servergate answer {} yes|no", question.id);
    }
}

/// The primary's words that led to a question about mail.
pub(crate) fn print_said(question: &Question, said: &Value) {
    if question.topic == Topic::HandBack {
        let words = said.get(question.service.organisation.as_str());
        for words in words.and_then(Value::as_array).into_iter().flatten() {
            println!("  the primary said: {}", text(words));
        }
    }
}

fn print_observations(reply: &Value) -> Result<()> {
    let observations: Vec<Observation> = serde_json::from_value(reply["observations"].clone())?;
    if observations.is_empty() {
        return Ok(());
    }
    let row = |observation: &Observation| {
        let took: u64 = observation.phases.iter().map(|phase| phase.micros).sum();
        let finding = match &observation.finding {
            Finding::Good { .. } => show::paint("good", Style::new().green()),
            Finding::Failed(failure) => show::paint(&failure.to_string(), Style::new().red()),
        };
        let millis = std::time::Duration::from_micros(took).as_secs_f64() * 1000.0;
        let target = observation.target.name.to_string();
        vec![
            target,
            observation.place.to_string(),
            finding,
            format!("{millis:.1} ms"),
            observation.at.to_string(),
        ]
    };
    let rows: Vec<_> = observations.iter().map(row).collect();
    println!();
    show::table(&["LAST OBSERVATION", "FROM", "FOUND", "TOOK", "AT"], &rows);
    Ok(())
}

fn print_held(reply: &Value) {
    let Some(held) = reply["held"].as_array().filter(|held| !held.is_empty()) else {
        return;
    };
    println!();
    let row = |line: &Value| vec![text(&line["organisation"]), text(&line["what"])];
    let rows: Vec<_> = held.iter().map(row).collect();
    show::table(&["HELD FOR", "WHAT"], &rows);
    let said = reply["said"].as_object().into_iter().flatten();
    for (organisation, words) in said {
        for words in words.as_array().into_iter().flatten() {
            println!("{organisation}: the primary said last: {}", text(words));
        }
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
