//! `servergate check`: is the configuration right?

use std::path::Path;

use anyhow::Result;

use crate::config;
use crate::exit::{Fault, Said};

/// Prints every problem with its place and its mend; errors end with 64.
pub(crate) fn check(path: &Path, json: bool) -> Result<()> {
    let reading = match config::read(path) {
        Ok(reading) => reading,
        Err(error) => {
            eprintln!("{} cannot be read: {error}", path.display());
            return Err(Said(Fault::Config).into());
        }
    };
    let errors = reading
        .problems
        .iter()
        .filter(|problem| !problem.warning)
        .count();
    if json {
        let problem = |problem: &host::config::Problem| {
            serde_json::json!({
                "file": problem.file, "line": problem.line, "column": problem.column,
                "warning": problem.warning, "message": problem.message,
            })
        };
        let problems: Vec<_> = reading.problems.iter().map(problem).collect();
        println!(
            "{}",
            serde_json::json!({ "right": errors == 0, "problems": problems })
        );
    } else {
        for problem in &reading.problems {
            println!("{problem}");
        }
        match (errors, reading.problems.len()) {
            (0, 0) => println!("{} is right.", path.display()),
            (0, warnings) => println!("{} is right, with {warnings} warnings.", path.display()),
            (1, _) => println!("1 mistake."),
            (errors, _) => println!("{errors} mistakes."),
        }
    }
    if errors > 0 {
        Err(Said(Fault::Config).into())
    } else {
        Ok(())
    }
}
