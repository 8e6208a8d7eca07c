//! `servergate ready`: if the primary went dark now, what would work?

use anyhow::Result;
use owo_colors::Style;

use super::show;
use crate::config::Config;
use crate::exit::{Fault, Said};
use crate::protocol::{self, Request};
use crate::ready::{Light, Line};

/// Prints what the running standby finds; a red line ends with 1.
pub(crate) async fn ready(config: &Config, json: bool) -> Result<()> {
    let reply = protocol::ask(&config.listen.admin, &Request::Ready).await?;
    let lines: Vec<Line> = serde_json::from_value(reply["lines"].clone())?;
    if json {
        println!("{reply}");
    } else {
        for line in &lines {
            let (word, style) = match line.light {
                Light::Green => ("ok     ", Style::new().green()),
                Light::Yellow => ("weak   ", Style::new().yellow()),
                Light::Red => ("missing", Style::new().red().bold()),
            };
            let whose = if line.organisation.is_empty() {
                "this standby"
            } else {
                &line.organisation
            };
            println!(
                "{}  {whose}, {}: {}",
                show::paint(word, style),
                line.part,
                line.says
            );
        }
        let count = |light| lines.iter().filter(|line| line.light == light).count();
        println!();
        println!(
            "{} ok, {} weak, {} missing",
            count(Light::Green),
            count(Light::Yellow),
            count(Light::Red)
        );
    }
    let red = lines.iter().any(|line| line.light == Light::Red);
    if red {
        Err(Said(Fault::Failed).into())
    } else {
        Ok(())
    }
}
