//! Keys for transfers (RFC 8945), in every form in which the tools of name servers write them.

use std::path::Path;
use std::sync::Arc;

use domain::base::Name as WireName;
use domain::tsig::{Algorithm, Key};
use host::config::Fields;

use crate::wire::Name;

/// One key as a file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Written {
    name: Option<String>,
    algorithm: Option<String>,
    secret: String,
}

/// Reads `tsig`.
pub(super) fn read(fields: &Fields<'_>) -> Option<Arc<Key>> {
    let name = fields.parse("name", "a key name like \"servergate\"", |text| {
        text.parse::<Name>().ok()
    });
    let said = fields.string("algorithm");
    let algorithm = match said.as_deref().map(algorithm).transpose() {
        Ok(algorithm) => Some(algorithm),
        Err(what) => {
            fields.problem("algorithm", what);
            None
        }
    };
    if !fields.has("secret_file") {
        fields.missing("secret_file", "\"tsig.key\"");
    }
    // All keys are asked for before one mistake ends it: what is not asked for counts as unknown.
    let path = fields.path("secret_file")?;
    fields.warn_of_readers("secret_file", &path);
    if fields.has("name") && name.is_none() {
        return None;
    }
    let algorithm = algorithm?;
    match from_file(name, algorithm, &path) {
        Ok(key) => Some(Arc::new(key)),
        Err(what) => {
            fields.problem("secret_file", format_args!("{}: {what}", path.display()));
            None
        }
    }
}

fn from_file(name: Option<Name>, algorithm: Option<Algorithm>, path: &Path) -> Result<Key, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
    from_text(name, algorithm, &text)
}

/// The key in a file by itself, for the fuzz target.
pub(crate) fn key_from_text(text: &str) -> Result<Key, String> {
    from_text(None, None, text)
}

/// What the file says and what the configuration says must not contradict each other.
fn from_text(name: Option<Name>, said: Option<Algorithm>, text: &str) -> Result<Key, String> {
    let mut all = written(text)?;
    let named = |key: &Written| -> Option<Name> { key.name.as_deref()?.parse().ok() };
    if let Some(name) = &name {
        let is_it = |key: &Written| named(key).is_none_or(|own| own == *name);
        if !all.iter().any(is_it) {
            return Err(format!("there is no key `{name}` in it"));
        }
        all.retain(is_it);
    }
    let [written] = all.as_slice() else {
        return Err("there are several keys in it; say with `name` which one".to_owned());
    };
    let name = name
        .or_else(|| named(written))
        .ok_or("it does not say the key's name; add `name = \"…\"`")?;
    let own = written.algorithm.as_deref().map(algorithm).transpose()?;
    if let (Some(said), Some(own)) = (said, own)
        && said != own
    {
        return Err(format!(
            "it says {own}, and `algorithm` says {said}; leave `algorithm` away"
        ));
    }
    key(
        &name,
        own.or(said).unwrap_or(Algorithm::Sha256),
        &written.secret,
    )
}

/// An algorithm by the name that BIND, Knot or PowerDNS give it.
fn algorithm(text: &str) -> Result<Algorithm, String> {
    let word = text.trim_end_matches('.').to_ascii_lowercase();
    match word.as_str() {
        "hmac-sha256" => Ok(Algorithm::Sha256),
        "hmac-sha384" => Ok(Algorithm::Sha384),
        "hmac-sha512" => Ok(Algorithm::Sha512),
        _ => Err(format!(
            "`{text}` should be one of hmac-sha256, hmac-sha384, hmac-sha512; make a new key on the \
             primary, `tsig-keygen -a hmac-sha256`"
        )),
    }
}

/// All keys in a file.
fn written(text: &str) -> Result<Vec<Written>, String> {
    let text = without_comments(text);
    let found = if text.contains('{') {
        in_braces(&text)
    } else if text.contains("secret:") {
        in_yaml(&text)
    } else {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.filter_map(in_line).collect()
    };
    match found.is_empty() {
        true => Err(
            "there is no key in it: one line of base64, or what `tsig-keygen` writes".to_owned(),
        ),
        false => Ok(found),
    }
}

/// `#` and `//` to the end of the line, `/* … */`.
fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    let line = |line: &str| {
        let at_start = line.trim_start();
        let comment = at_start.starts_with('#') || at_start.starts_with("//");
        let line = line
            .split(" #")
            .next()
            .and_then(|line| line.split(" //").next());
        if comment {
            String::new()
        } else {
            line.unwrap_or_default().to_owned()
        }
    };
    kept.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// `key "name" { algorithm hmac-sha256; secret "…"; };`: tsig-keygen, ddns-confgen, rndc-confgen,
/// named.conf.
fn in_braces(text: &str) -> Vec<Written> {
    let spaced = text
        .replace('{', " { ")
        .replace('}', " } ")
        .replace(';', " ; ");
    let mut words = spaced.split_whitespace().map(|word| word.trim_matches('"'));
    let mut found = Vec::new();
    let mut key = Written::default();
    while let Some(word) = words.next() {
        match word {
            "key" => {
                key = Written {
                    name: words.next().map(str::to_owned),
                    ..Written::default()
                };
            }
            "algorithm" => key.algorithm = words.next().map(str::to_owned),
            "secret" => key.secret = words.next().unwrap_or_default().to_owned(),
            "}" if !key.secret.is_empty() => found.push(std::mem::take(&mut key)),
            _ => {}
        }
    }
    found
}

/// `- id: name`, `algorithm: …`, `secret: …`: keymgr -t, knot.conf.
fn in_yaml(text: &str) -> Vec<Written> {
    let mut found: Vec<Written> = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("- ");
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        if field == "id" {
            found.push(Written {
                name: Some(value),
                ..Written::default()
            });
        } else if let Some(key) = found.last_mut() {
            match field {
                "algorithm" => key.algorithm = Some(value),
                "secret" => key.secret = value,
                _ => {}
            }
        }
    }
    found.retain(|key| !key.secret.is_empty());
    found
}

/// The secret alone; `[hmac-sha256:]name:secret` as dig takes it; `… name algorithm secret` as
/// pdnsutil shows it.
fn in_line(line: &str) -> Option<Written> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let parts: Vec<&str> = match words.as_slice() {
        [one] => one.split(':').collect(),
        [.., name, algorithm, secret] => vec![algorithm, name, secret],
        _ => return None,
    };
    let own = |text: &&str| Some((*text).to_owned());
    Some(match parts.as_slice() {
        [algorithm, name, secret] => Written {
            name: own(name),
            algorithm: own(algorithm),
            secret: (*secret).to_owned(),
        },
        [name, secret] => Written {
            name: own(name),
            algorithm: None,
            secret: (*secret).to_owned(),
        },
        [secret] => Written {
            secret: (*secret).to_owned(),
            ..Written::default()
        },
        _ => return None,
    })
}

/// A key from the base64 text of its secret.
///
/// # Errors
/// In words what is wrong with it.
pub fn key(name: &Name, algorithm: Algorithm, secret: &str) -> Result<Key, String> {
    let bytes: Vec<u8> = domain::utils::base64::decode(secret)
        .map_err(|_| "the secret should be one line of base64".to_owned())?;
    // RFC 8945 §5: shorter than half the hash is guessed too easily.
    if bytes.len() < algorithm.native_len() / 2 {
        return Err(format!(
            "the secret has {} bytes, which is too short",
            bytes.len()
        ));
    }
    let name = WireName::from_octets(name.as_wire())
        .ok()
        .and_then(|name| domain::base::name::ToName::try_to_name(&name).ok())
        .ok_or_else(|| "the key's name is too long".to_owned())?;
    Key::new(algorithm, &bytes, name, None, None).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    /// As each tool writes it.
    fn files() -> Vec<(&'static str, String)> {
        let braces =
            format!("key \"standby\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n");
        vec![
            ("tsig-keygen", braces.clone()),
            (
                "ddns-confgen",
                format!(
                    "# To activate this key, place the following in named.conf, and\n# in a separate \
                     keyfile on the system or systems from which nsupdate\n# will be run:\n{braces}\n\
                     # Then, in the \"zone\" statement for each zone you wish to dynamically\n\
                     # update, place an \"update-policy\" statement granting update permission\n\
                     update-policy {{\n\tgrant standby zonesub ANY;\n}};\n\n# nsupdate -k <keyfile>\n"
                ),
            ),
            (
                "keymgr -t",
                format!(
                    "# hmac-sha256:standby:{SECRET}\nkey:\n  - id: standby\n    algorithm: \
                     hmac-sha256\n    secret: {SECRET}\n"
                ),
            ),
            (
                "pdnsutil generate-tsig-key",
                format!("Create new TSIG key standby hmac-sha256 {SECRET}\n"),
            ),
            (
                "pdnsutil list-tsig-keys",
                format!("standby. hmac-sha256. {SECRET}\n"),
            ),
            ("dig -y", format!("hmac-sha256:standby:{SECRET}\n")),
            (
                "one line",
                format!("key standby {{ algorithm HMAC-SHA256; secret {SECRET}; }};"),
            ),
        ]
    }

    #[test]
    fn a_key_is_read_as_each_tool_writes_it() {
        for (tool, text) in files() {
            let key = from_text(None, None, &text).unwrap_or_else(|what| panic!("{tool}: {what}"));
            assert_eq!(key.name().to_string(), "standby", "{tool}");
            assert_eq!(key.algorithm(), Algorithm::Sha256, "{tool}");
            let named = "Standby.".parse().expect("a name");
            assert!(
                from_text(Some(named), Some(Algorithm::Sha256), &text).is_ok(),
                "{tool}"
            );
        }
        let name = || Some("standby".parse().expect("a name"));
        assert!(from_text(name(), None, SECRET).is_ok());
        // One of several, by its name.
        let several = files()[0].1.clone() + &files()[0].1.replace("standby", "other");
        assert!(from_text(name(), None, &several).is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let other = || Some("other".parse().expect("a name"));
        let braces = &files()[0].1;
        let cases = [
            (from_text(None, None, SECRET), "add `name"),
            (from_text(other(), None, braces), "no key `other`"),
            (
                from_text(None, Some(Algorithm::Sha512), braces),
                "leave `algorithm` away",
            ),
            (
                from_text(None, None, &braces.replace("sha256", "md5")),
                "hmac-md5",
            ),
            (from_text(other(), None, "# nothing\n"), "no key in it"),
            (from_text(other(), None, "not base64!"), "no key in it"),
            (from_text(other(), None, "c2hvcnQ="), "too short"),
            (
                from_text(
                    None,
                    None,
                    &(braces.clone() + &braces.replace("standby", "other")),
                ),
                "several keys",
            ),
        ];
        for (result, want) in cases {
            let what = result
                .err()
                .unwrap_or_else(|| panic!("{want}: it was taken"));
            assert!(what.contains(want), "{what}");
        }
    }
}
