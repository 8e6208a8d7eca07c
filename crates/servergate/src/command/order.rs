//! `servergate failover|failback|hold|auto` and `answer`: what people decide.

use anyhow::Result;
use model::{OrderKind, Question};
use serde_json::Value;

use super::{person, show, status};
use crate::cli::YesNo;
use crate::config::Config;
use crate::protocol::{self, Request};

/// Gives an order and shows the standing that followed.
pub(crate) async fn order(
    config: &Config,
    kind: OrderKind,
    service: String,
    by: Option<String>,
    json: bool,
) -> Result<()> {
    let request = Request::Order {
        service,
        kind,
        by: person(by),
    };
    print(&protocol::ask(&config.listen.admin, &request).await?, json)
}

/// Answers a question and shows the standing that followed.
pub(crate) async fn answer(
    config: &Config,
    question: String,
    answer: YesNo,
    by: Option<String>,
    json: bool,
) -> Result<()> {
    let request = Request::Answer {
        question,
        yes: answer == YesNo::Yes,
        by: person(by),
    };
    print(&protocol::ask(&config.listen.admin, &request).await?, json)
}

fn print(reply: &Value, json: bool) -> Result<()> {
    if json {
        println!("{reply}");
        return Ok(());
    }
    let standing: model::Standing = serde_json::from_value(reply["standing"].clone())?;
    let held = standing.held_by.as_ref().map_or(String::new(), |(by, at)| {
        format!(", as {} ordered at {at}", by.0)
    });
    println!("{}: {}{held}", standing.service, show::role(standing.role));
    if let Some(why) = reply["undurable"].as_str() {
        println!("it holds, and a restart would forget it: the disk takes nothing ({why})");
    }
    if let Some(would) = standing.would {
        println!("mode is observe: nothing moves; in mode act it would be {would}");
    }
    status::print_question(&standing, &reply["said"]);
    if let Ok(question) = serde_json::from_value::<Question>(reply["withdrawn"].clone()) {
        println!();
        println!(
            "This order takes the place of the question {}:",
            question.id
        );
        println!("  {question}");
        status::print_said(&question, &reply["said"]);
    }
    Ok(())
}
