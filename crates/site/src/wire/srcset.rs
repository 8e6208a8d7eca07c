//! The image candidates of `srcset` and `imagesrcset`. HTML §4.8.4.2.1.

/// The URLs of a srcset, in order.
pub fn urls(srcset: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = srcset;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', ',']);
        if rest.is_empty() {
            return found;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (candidate, after) = rest.split_at(end);
        // A comma at the end of the URL ends the candidate; one inside belongs to the URL.
        let url = candidate.trim_end_matches(',');
        if !url.is_empty() {
            found.push(url);
        }
        rest = if url.len() < candidate.len() {
            after
        } else {
            after_descriptors(after)
        };
    }
}

/// Skips `2x`, `480w`, also with commas inside parentheses, up to the comma that ends them.
fn after_descriptors(text: &str) -> &str {
    let mut depth = 0usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return text.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn candidates_are_found() {
        for (srcset, expected) in [
            ("a.jpg", vec!["a.jpg"]),
            ("a.jpg 1x, b.jpg 2x", vec!["a.jpg", "b.jpg"]),
            ("a.jpg,\n b.jpg 480w", vec!["a.jpg", "b.jpg"]),
            (
                "/i,w=1/a.jpg 1x,/i,w=2/a.jpg 2x",
                vec!["/i,w=1/a.jpg", "/i,w=2/a.jpg"],
            ),
            (" , ,a.jpg 1x,,, b.jpg", vec!["a.jpg", "b.jpg"]),
            ("a.jpg future(1, 2) 1x, b.jpg", vec!["a.jpg", "b.jpg"]),
            (
                "data:image/png;base64,AAAA 1x, b.jpg",
                vec!["data:image/png;base64,AAAA", "b.jpg"],
            ),
            ("", vec![]),
            (",", vec![]),
        ] {
            assert_eq!(urls(srcset), expected, "{srcset}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_and_gives_no_empty_url(srcset in any::<String>()) {
            prop_assert!(urls(&srcset).iter().all(|url| !url.is_empty()));
        }
    }
}
