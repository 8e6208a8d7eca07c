//! What the drill shows: a picture that moves on a terminal, plain lines anywhere else.

use std::time::Duration;

use console::Term;
use owo_colors::{OwoColorize, Style};

use super::ledger::{Ledger, Who};
use super::picture::{LABEL, Picture, Sign, recent};

/// Nobody reads wider lines.
const WIDEST: usize = 160;
/// What a pipe is taken for.
const PIPE: usize = 100;

/// Standard output.
pub(crate) struct Show {
    term: Term,
    live: bool,
    colour: bool,
    /// How many lines of the moving picture stand at the end of the screen.
    drawn: usize,
}

impl Show {
    /// Looks at what standard output is, and whether colour is wanted.
    pub(crate) fn new() -> Self {
        let term = Term::buffered_stdout();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let live = term.is_term() && !dumb;
        Self {
            term,
            live,
            colour: live && !set("NO_COLOR"),
            drawn: 0,
        }
    }

    /// Columns to fill.
    pub(crate) fn width(&self) -> usize {
        match self.live {
            // The last column stays free: some terminals wrap when it is written.
            true => usize::from(self.term.size().1)
                .saturating_sub(1)
                .min(WIDEST),
            false => PIPE,
        }
    }

    /// A line that stays.
    pub(crate) fn say(&mut self, line: &str) {
        self.wipe();
        // Whoever listened may have gone; the drill goes on.
        let _ = self.term.write_line(line);
        let _ = self.term.flush();
    }

    /// Something that happened, with its time.
    pub(crate) fn event(&mut self, at: Duration, words: &str) {
        let time = self.paint(
            &format!("{:5.1} s", at.as_secs_f64()),
            Style::new().dimmed(),
        );
        self.say(&format!("{time}  {words}"));
    }

    /// The picture of now. Nothing in a pipe.
    pub(crate) fn draw(&mut self, ledger: &Ledger, caption: &str) {
        if !self.live {
            return;
        }
        let width = self.width();
        let room = width.saturating_sub(LABEL);
        let caption: String = caption.chars().take(room).collect();
        let lines = [
            String::new(),
            self.row(Who::Without, &recent(ledger, Who::Without, room)),
            self.row(Who::With, &recent(ledger, Who::With, room)),
            format!(
                "{:LABEL$}{}",
                "",
                self.paint(&caption, Style::new().dimmed())
            ),
        ];
        self.wipe();
        for line in &lines {
            let _ = self.term.write_line(line);
        }
        let _ = self.term.flush();
        self.drawn = lines.len();
    }

    /// The whole day at its end.
    pub(crate) fn picture(&mut self, picture: &Picture) {
        let below = |line: &str| format!("{:LABEL$}{line}", "");
        let without = self.row(Who::Without, &picture.without);
        let with = self.row(Who::With, &picture.with);
        self.say("");
        self.say(&self.paint(&below(&picture.scale), Style::new().dimmed()));
        self.say(&without);
        self.say(&with);
        for line in &picture.legend {
            self.say(&below(line));
        }
        self.say("");
    }

    /// Takes the moving picture away.
    pub(crate) fn wipe(&mut self) {
        if self.drawn > 0 {
            let _ = self.term.clear_last_lines(self.drawn);
            self.drawn = 0;
        }
    }

    fn row(&self, who: Who, signs: &[Sign]) -> String {
        let mut row = format!("{who:LABEL$}");
        for run in signs.chunk_by(|a, b| a == b) {
            let text: String = run.iter().map(|sign| sign.glyph()).collect();
            let style = match run.first() {
                Some(Sign::Primary) => Style::new().green(),
                Some(Sign::Standby) => Style::new().cyan(),
                Some(Sign::Dark) => Style::new().red(),
                Some(Sign::Open) | None => Style::new().dimmed(),
            };
            row.push_str(&self.paint(&text, style));
        }
        row
    }

    /// `text` in a style, where colour is wanted.
    pub(crate) fn paint(&self, text: &str, style: Style) -> String {
        if self.colour && !text.is_empty() {
            text.style(style).to_string()
        } else {
            text.to_owned()
        }
    }
}
