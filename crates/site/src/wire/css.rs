//! What a style sheet asks for: `url()`, `@import`, `image-set()`. CSS Syntax §4, Values §4.5.
//!
//! A scanner, not a parser: it knows strings, comments, escapes and blocks well enough not to be
//! led astray, and takes sheets with mistakes as they are.

use super::{Link, MOST_LINKS};

/// Everything `sheet` asks for. Relative references are relative to the sheet itself.
pub fn links(sheet: &str) -> Vec<Link> {
    let mut scanner = Scanner {
        rest: sheet,
        found: Vec::new(),
    };
    scanner.run();
    scanner.found
}

struct Scanner<'a> {
    rest: &'a str,
    found: Vec<Link>,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) {
        // After `@import` or inside `image-set(` a bare string is a URL.
        let mut string_is_url = false;
        while let Some(first) = self.rest.chars().next() {
            if self.found.len() >= MOST_LINKS {
                return;
            }
            match first {
                '/' if self.rest.starts_with("/*") => self.skip_comment(),
                '"' | '\'' => {
                    let text = self.string(first);
                    if string_is_url {
                        self.keep(text);
                    }
                }
                '\\' => self.advance(1 + self.rest.chars().nth(1).map_or(0, char::len_utf8)),
                ';' | '{' | '}' => {
                    string_is_url = false;
                    self.advance(1);
                }
                '@' => {
                    self.advance(1);
                    string_is_url = self.word().eq_ignore_ascii_case("import");
                }
                _ if is_word(first) => {
                    let word = self.word();
                    if word.eq_ignore_ascii_case("url") && self.rest.starts_with('(') {
                        self.advance(1);
                        self.url();
                    } else if word.to_ascii_lowercase().ends_with("image-set") {
                        string_is_url = true;
                    }
                }
                other => self.advance(other.len_utf8()),
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip_comment(&mut self) {
        self.advance(2);
        match self.rest.find("*/") {
            Some(end) => self.advance(end + 2),
            None => self.rest = "",
        }
    }

    /// A quoted string; an unescaped line break ends it, as CSS Syntax §4.3.5 says.
    fn string(&mut self, quote: char) -> String {
        self.advance(1);
        self.until(|c| c == quote || c == '\n')
    }

    /// The inside of `url(`, quoted or not.
    fn url(&mut self) {
        self.rest = self.rest.trim_start();
        let text = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let text = self.string(quote);
                self.rest = self.rest.trim_start();
                self.rest = self.rest.strip_prefix(')').unwrap_or(self.rest);
                text
            }
            _ => self.until(|c| c == ')'),
        };
        self.keep(text);
    }

    /// Text up to and without the end, escapes undone (CSS Syntax §4.3.7).
    fn until(&mut self, is_end: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        loop {
            let Some(letter) = self.rest.chars().next() else {
                return text;
            };
            self.advance(letter.len_utf8());
            if is_end(letter) {
                return text;
            }
            match letter {
                '\\' => self.escape(&mut text),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self, text: &mut String) {
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(self.rest.len())
            .min(6);
        let Some(digits) = self.rest.get(..end).filter(|digits| !digits.is_empty()) else {
            if let Some(letter) = self.rest.chars().next() {
                self.advance(letter.len_utf8());
                if letter != '\n' {
                    text.push(letter);
                }
            }
            return;
        };
        let code = u32::from_str_radix(digits, 16).unwrap_or(0);
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        self.advance(end);
        if self.rest.starts_with([' ', '\t', '\n']) {
            self.advance(1);
        }
    }

    fn keep(&mut self, text: String) {
        let text = text.trim();
        // `#id` is inside this very document; `data:` brings itself.
        let elsewhere = !text.is_empty() && !text.starts_with('#') && !text.starts_with("data:");
        if elsewhere {
            self.found.push(Link::requisite(text));
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '-' || letter == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(sheet: &str) -> Vec<String> {
        links(sheet).into_iter().map(|link| link.to).collect()
    }

    #[test]
    fn references_are_found() {
        for (sheet, expected) in [
            ("a{background:url(x.png)}", vec!["x.png"]),
            ("a{background:URL( 'x y.png' )}", vec!["x y.png"]),
            (
                "@import \"base.css\" screen; @import url(b.css);",
                vec!["base.css", "b.css"],
            ),
            (
                "@font-face{src:url(f.woff2)format('woff2'),url(f.woff)}",
                vec!["f.woff2", "f.woff"],
            ),
            ("/* url(no.png) */ a{b:url(yes.png)}", vec!["yes.png"]),
            ("a{content:'url(no.png)'; b:url(yes.png)}", vec!["yes.png"]),
            (
                "a{b:url(a\\)b.png) c:url(\\41 b.png)}",
                vec!["a)b.png", "Ab.png"],
            ),
            (
                "a{b:image-set('a.png' 1x, \"b.png\" 2x)} c{content:'no'}",
                vec!["a.png", "b.png"],
            ),
            (
                "a{b:url(data:image/png;base64,AA) c:url(#grad) d:url()}",
                vec![],
            ),
            ("a{b:notaurl(x.png) c:url-x(y.png)}", vec![]),
            ("@charset 'utf-8'; @import 'ü.css'", vec!["ü.css"]),
            ("a{b:url(open.png", vec!["open.png"]),
            ("/* open", vec![]),
        ] {
            assert_eq!(found(sheet), expected, "{sheet}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends(sheet in any::<String>()) {
            let _ = links(&sheet);
        }

        #[test]
        fn css_like_text_ends(sheet in "[@url(\\\\'\"/*{};) a-f0-9\\n]{0,80}") {
            prop_assert!(links(&sheet).iter().all(|link| !link.to.is_empty()));
        }
    }
}
