//! Looks for words in what lies on the disk, in every form in which somebody could read them.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Words, and all their forms by the first three bytes.
pub(super) struct Needles {
    words: Vec<String>,
    forms: HashMap<[u8; 3], Vec<(Vec<u8>, usize)>>,
    /// Whether any form begins with these three bytes: one bit each.
    begins: Vec<u64>,
}

impl Needles {
    pub(super) fn new(words: &[String]) -> Self {
        let mut needles = Self {
            words: words.to_vec(),
            forms: HashMap::new(),
            begins: vec![0; 1 << 18],
        };
        for (number, word) in words.iter().enumerate() {
            for form in forms(word) {
                let Some(first) = form.first_chunk::<3>() else {
                    continue;
                };
                let at = place(*first);
                if let Some(bits) = needles.begins.get_mut(at / 64) {
                    *bits |= 1 << (at % 64);
                }
                let all = needles.forms.entry(*first).or_default();
                all.push((form, number));
            }
        }
        needles
    }

    /// Which of the words are in these bytes.
    pub(super) fn found(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for (at, window) in bytes.windows(3).enumerate() {
            let &[a, b, c] = window else { continue };
            let bit = place([a, b, c]);
            if self.begins[bit / 64] >> (bit % 64) & 1 == 0 {
                continue;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            for (form, number) in self.forms.get(&[a, b, c]).into_iter().flatten() {
                if rest.starts_with(form) {
                    found.insert(self.words[*number].as_str());
                }
            }
        }
        found
    }

    /// Which of the words are in the files below `dir`, their names included, with the first file
    /// of each; and how many bytes were looked at.
    pub(super) fn found_below(&self, dir: &Path) -> Result<(Vec<(String, String)>, u64)> {
        let (mut found, mut looked) = (Vec::new(), 0);
        let mut left = vec![dir.to_path_buf()];
        while let Some(dir) = left.pop() {
            let entries = fs::read_dir(&dir).with_context(|| format!("{}", dir.display()))?;
            for entry in entries {
                let path = entry?.path();
                let name = path.display().to_string();
                if path.is_dir() {
                    left.push(path);
                    continue;
                }
                let mut bytes = fs::read(&path).with_context(|| name.clone())?;
                looked += bytes.len() as u64;
                bytes.extend_from_slice(name.as_bytes());
                let words = self.found(&bytes).into_iter();
                found.extend(words.map(|word| (word.to_owned(), name.clone())));
            }
        }
        Ok((found, looked))
    }
}

fn place([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// A word as it is and in capitals; hexadecimal; base64, wherever in a group of three it begins;
/// UTF-16, both ways.
fn forms(word: &str) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for text in [word.to_owned(), word.to_uppercase()] {
        let hex = text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        forms.push(hex.to_uppercase().into_bytes());
        forms.push(hex.into_bytes());
        let (mut little, mut big) = (Vec::new(), Vec::new());
        for unit in text.encode_utf16() {
            little.extend(unit.to_le_bytes());
            big.extend(unit.to_be_bytes());
        }
        forms.extend([little, big]);
        forms.extend((0..3).map(|before| base64_within(text.as_bytes(), before)));
        forms.push(text.into_bytes());
    }
    forms
}

/// What of the base64 of some text does not depend on what stands around these bytes, of which
/// `before` stand before them in their first group of three.
fn base64_within(bytes: &[u8], before: usize) -> Vec<u8> {
    let mut text = vec![0; before];
    text.extend_from_slice(bytes);
    let whole = base64(&text);
    // The characters that hold a bit of what stands before, and the last if it is cut.
    let first = (before * 8).div_ceil(6);
    let last = text.len() * 8 / 6;
    whole.get(first..last).unwrap_or_default().to_vec()
}

/// RFC 4648 §4, without the padding.
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=group.len() {
            let letter = bits >> (18 - 6 * at) & 63;
            text.push(LETTERS[letter as usize]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_every_form_and_no_other_word_is() {
        let words = ["kanarienvogel", "papageientaucher"].map(str::to_owned);
        let needles = Needles::new(&words);
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let mut texts: Vec<Vec<u8>> = vec![
            b"ein kanarienvogel.".to_vec(),
            b"KANARIENVOGEL".to_vec(),
            b"006b616e617269656e766f67656c00".to_vec(),
            utf16("der kanarienvogel"),
        ];
        for before in ["", "a", "ab", "abc"] {
            texts.push(base64(format!("{before}kanarienvogel und mehr").as_bytes()));
        }
        for text in texts {
            let found: Vec<_> = needles.found(&text).into_iter().collect();
            assert_eq!(found, ["kanarienvogel"], "{text:?}");
        }
        assert!(needles.found(b"kanarienvoge l").is_empty());
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        assert_eq!(base64(b"foobar"), b"Zm9vYmFy");
        assert_eq!(base64(b"foob"), b"Zm9vYg");
    }
}
